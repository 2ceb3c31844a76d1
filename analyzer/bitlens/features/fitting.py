"""Which layers to convert, and into what, so that a model fits into a memory budget with the least error.

A choice for each layer among the schemes of one library: a knapsack with several choices per item. Solved as
Sinha and Zoltners (1979) solve its relaxation: along each item's lower convex hull, the cheapest step first.
What one step takes too much is given back where it is worth most. The result costs at most one step more than
the best one (`tests/features/test_quantize_to_fit.py` compares the two).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from bitlens.measurement import Layer, Model


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to do with a group of layers."""

    scheme: str
    """Id; empty for leaving them as they are."""
    bytes: int
    """Parameters and buffers afterwards."""
    cost: float
    """Sum over all weights of their layer's squared relative error."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What to do with each layer of a model, and what comes of it."""

    before: int
    """Bytes of parameters and buffers now."""
    bytes: int
    """Afterwards."""
    schemes: Mapping[str, str]
    """Path to scheme id, of the layers that are converted."""
    error: float
    """Root of the mean squared relative error over the weights of the converted layers; 0 without any."""
    convertible: tuple[str, ...]
    """Paths of all layers that some scheme of the library converts."""


def best_plan(model: Model, budget: int, library: str = "quanto") -> Plan:
    """The plan with the least error that fits into `budget` bytes; if none does, the smallest there is."""
    groups = [(group, _choices(group, library)) for group in _tied(model.layers)]
    chosen = choose([choices for _, choices in groups], budget)
    schemes = {
        layer.path: choice.scheme
        for (group, _), choice in zip(groups, chosen, strict=True)
        for layer in group
        if choice.scheme and layer.schemes[choice.scheme].converted
    }
    elements = sum(_elements(layer) for layer in model.layers if layer.path in schemes)
    return Plan(
        taken(model),
        sum(choice.bytes for choice in chosen),
        schemes,
        math.sqrt(sum(choice.cost for choice in chosen) / elements) if elements else 0.0,
        tuple(layer.path for layer in model.layers if _converting(layer, library)),
    )


def taken(model: Model) -> int:
    """Bytes of the parameters and buffers of a model's layers."""
    return sum(layer.bytes + layer.buffer_bytes for layer in model.layers)


def choose(groups: Iterable[tuple[Choice, ...]], budget: int) -> list[Choice]:
    """One choice for each group: the least cost within the budget, or the fewest bytes if none is."""
    groups = list(groups)
    hulls = [_hull(choices) for choices in groups]
    at = [0] * len(hulls)
    total = sum(hull[0].bytes for hull in hulls)
    steps = [(slope, number) for number, hull in enumerate(hulls) for slope in _slopes(hull)]
    for _, number in sorted(steps):
        if total <= budget:
            break
        hull = hulls[number]
        total += hull[at[number] + 1].bytes - hull[at[number]].bytes
        at[number] += 1
    chosen = [hull[position] for hull, position in zip(hulls, at, strict=True)]
    return _given_back(groups, chosen, budget)


def _hull(choices: tuple[Choice, ...]) -> list[Choice]:
    """The choices that some price of a byte makes the best, from the least cost to the fewest bytes."""
    hull: list[Choice] = []
    for choice in sorted(choices, key=lambda one: (one.cost, one.bytes)):
        if hull and choice.bytes >= hull[-1].bytes:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-1], choice):
            hull.pop()
        hull.append(choice)
    return hull


def _slopes(hull: list[Choice]) -> Iterator[float]:
    return (_slope(one, other) for one, other in pairwise(hull))


def _slope(one: Choice, other: Choice) -> float:
    """The cost of each byte that a step saves."""
    return (other.cost - one.cost) / (one.bytes - other.bytes)


def _given_back(groups: list[tuple[Choice, ...]], chosen: list[Choice], budget: int) -> list[Choice]:
    """The dearest choices first, each exchanged for the cheapest one for which there is room."""
    room = budget - sum(choice.bytes for choice in chosen)
    for number in sorted(range(len(chosen)), key=lambda number: -chosen[number].cost):
        now = chosen[number]
        better = [one for one in groups[number] if one.cost < now.cost and one.bytes - now.bytes <= room]
        if room > 0 and better:
            chosen[number] = min(better, key=lambda one: one.cost)
            room -= chosen[number].bytes - now.bytes
    return chosen


def _choices(group: tuple[Layer, ...], library: str) -> tuple[Choice, ...]:
    """Leaving the layers as they are, and each scheme that converts some of them with a known error."""
    ids = dict.fromkeys(id for layer in group for id in layer.schemes if id.startswith(f"{library}."))
    found = [Choice("", sum(layer.bytes + layer.buffer_bytes for layer in group), 0.0)]
    for id in ids:
        results = [(layer, layer.schemes[id]) for layer in group if id in layer.schemes]
        converted = [(layer, result) for layer, result in results if result.converted]
        errors = [result.relative_error for _, result in converted if result.relative_error is not None]
        if len(results) == len(group) and converted and len(errors) == len(converted):
            cost = sum(_elements(la) * e * e for (la, _), e in zip(converted, errors, strict=True))
            found.append(Choice(id, sum(r.bytes + r.buffer_bytes for _, r in results), cost))
    return tuple(found)


def _converting(layer: Layer, library: str) -> bool:
    return any(result.converted for id, result in layer.schemes.items() if id.startswith(f"{library}."))


def _elements(layer: Layer) -> int:
    """Of the layer's parameters, tied ones too."""
    return sum(math.prod(t.shape) for t in layer.tensors if t.kind == "parameter")


def _tied(layers: tuple[Layer, ...]) -> list[tuple[Layer, ...]]:
    """Layers that share a tensor together: converting one of them changes what the others take."""
    owners = {_named(layer, tensor.name): layer.path for layer in layers for tensor in layer.tensors}
    leader = {layer.path: layer.path for layer in layers}

    def first(path: str) -> str:
        while leader[path] != path:
            path = leader[path]
        return path

    for layer in layers:
        for tensor in layer.tensors:
            if tensor.tied_to in owners:
                leader[first(layer.path)] = first(owners[tensor.tied_to])
    groups: dict[str, list[Layer]] = defaultdict(list)
    for layer in layers:
        groups[first(layer.path)].append(layer)
    return [tuple(group) for group in groups.values()]


def _named(layer: Layer, tensor: str) -> str:
    return f"{layer.path}.{tensor}" if layer.path else tensor

"""Which rows of a layer's tensors are looked at for a first answer, decided before any of them is read.

Rows that stand apart (`apart`), and the first, which embeddings keep for what is special, are looked at in
any case; of the others some are drawn without replacement by a generator seeded with the tensor's name.
Formats whose blocks run over the ends of rows get units of several consecutive rows that hold whole blocks.
Small tensors are looked at whole. Formats that need the whole of a large tensor first (a scale per tensor,
a search over it, blocks across many rows) are not sampled.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import torch

from bitlens import backends, schemes
from bitlens.backends import LayerFacts, TensorFacts
from bitlens.schemes.base import ITEM_BYTES, Scheme, Shape, numel, row_length
from bitlens.worker.apart import Apart

ELEMENTS = 1 << 16
"""Of each tensor about so many are looked at; one of up to twice as many is measured whole."""
LEAST_ROWS = 16
_MOST_TOGETHER = 64
_NOWHERE: Apart = MappingProxyType({})


class Part(NamedTuple):
    """What is looked at of one tensor, for the schemes that are content with it."""

    tensor: str
    axis: int
    """Of the output channels."""
    shape: tuple[int, ...]
    """Output channels first."""
    rows: tuple[int, ...] | None
    """Drawn rows, ascending, whole units one after another; None for all of them."""
    units: int
    """Units of the tensor: rows, or several rows that share blocks."""
    chosen: tuple[int, ...]
    """Which of the units looked at were not drawn by chance."""
    together: int
    """Rows of one unit."""
    schemes: dict[str, Scheme]
    """By the id that was asked for, the scheme that the library takes."""

    @property
    def used(self) -> list[Scheme]:
        """The schemes, each once."""
        return list({scheme.id: scheme for scheme in self.schemes.values()}.values())


class Plan(NamedTuple):
    """What is looked at of one layer."""

    parts: tuple[Part, ...]
    unknown: tuple[str, ...]
    """Ids of the schemes that convert a parameter of which no rows can tell the error."""


def plan(
    facts: LayerFacts, stored: Iterable[str], chosen: Iterable[Scheme], seed: int = 0, apart: Apart = _NOWHERE
) -> Plan:
    """What to look at, given the names of the tensors that have values."""
    readable = set(stored)
    parameters = {tensor.name: tensor for tensor in facts.tensors if tensor.kind == "parameter"}
    wanted: dict[tuple[str, int, int], dict[str, Scheme]] = defaultdict(dict)
    unknown: dict[str, None] = {}
    for scheme in chosen:
        decision = backends.get(scheme.library).converts(facts, scheme)
        used = schemes.get(decision.instead) if decision.instead else scheme
        for name, axis in decision.converted.items():
            if name not in parameters:
                continue
            together = _together(used, parameters[name], axis) if name in readable else None
            if together is None:
                unknown[scheme.id] = None
            else:
                wanted[name, axis, together][scheme.id] = used
    parts = [
        _part(facts.path, parameters[name], axis, together, seed, apart, those)
        for (name, axis, together), those in wanted.items()
    ]
    return Plan(tuple(parts), tuple(unknown))


def _turned(shape: Shape, axis: int) -> tuple[int, ...]:
    return (shape[axis], *shape[:axis], *shape[axis + 1 :])


def _together(scheme: Scheme, tensor: TensorFacts, axis: int) -> int | None:
    """How many rows share blocks, 0 for a tensor to be measured whole; None where there is no estimate."""
    if scheme.needs_data or tensor.dtype not in ITEM_BYTES:
        return None
    return _rows_together(scheme, _turned(tensor.shape, axis) if tensor.shape else (), tensor.dtype)


@lru_cache(maxsize=4096)
def _rows_together(scheme: Scheme, shape: tuple[int, ...], dtype: str) -> int | None:
    if numel(shape) <= 2 * ELEMENTS:
        return 0
    meta = torch.empty(shape, device="meta")
    if scheme.needs_whole or len(shape) < 2 or shape[0] < 2 or scheme.arrange(meta) is not meta:
        return None
    length = row_length(shape)
    together = math.lcm(max(1, scheme.block(shape, dtype)), length) // length
    return together if together <= min(_MOST_TOGETHER, shape[0] // 2) and shape[0] % together == 0 else None


def _part(
    path: str,
    tensor: TensorFacts,
    axis: int,
    together: int,
    seed: int,
    apart: Apart,
    chosen: dict[str, Scheme],
) -> Part:
    shape = _turned(tensor.shape, axis) if tensor.shape else ()
    if not together:
        return Part(tensor.name, axis, shape, None, 1, (), max(1, shape[0] if shape else 1), chosen)
    units = shape[0] // together
    wanted = max(LEAST_ROWS, -(-ELEMENTS // (together * row_length(shape))))
    certain = {0, *(row // together for row in apart.get(shape[0], ()))}
    drawn: Sequence[int] = range(units)
    if units > 2 * wanted + len(certain):
        generator = random.Random(zlib.crc32(f"{path}.{tensor.name}".encode(errors="replace")) + seed)
        others = [u for u in generator.sample(drawn, wanted + len(certain)) if u not in certain]
        drawn = sorted([*certain, *others[:wanted]])
    else:
        certain = set()
    rows = tuple(unit * together + row for unit in drawn for row in range(together))
    places = tuple(place for place, unit in enumerate(drawn) if unit in certain)
    return Part(tensor.name, axis, shape, rows, units, places, together, chosen)

"""What an evaluation gives: the modules of one model and the lines that made them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bitlens.measurement import Certainty, Line
from bitlens.problems import Problem
from bitlens.source.evaluate.lacking import lacking
from bitlens.source.evaluate.module_methods import walk
from bitlens.source.evaluate.symbolic import Symbolic, combine
from bitlens.source.evaluate.tensors import numel, stored_bytes
from bitlens.source.evaluate.values import DType, ModuleInstance, Tensor, Unknown


class TensorRecord(NamedTuple):
    """One parameter or buffer."""

    name: str
    shape: tuple[int | str | None, ...] | None
    """Sizes; a formula as text where a size depends on something unknown; None for a size or rank that is not
    known."""
    dtype: str | None
    requires_grad: bool
    tied_to: str | None
    """Full name of the tensor that holds the same storage and comes earlier."""
    elements: int | None
    bytes: int | None

    formula: str | None = None
    """The number of elements in terms of the unknown, e.g. `4·hidden²`, where it is not a number."""


class ModuleRecord(NamedTuple):
    """One module with the line whose call expression built it."""

    path: str
    type: str
    file: str | None
    line: int | None
    certainty: Certainty
    parameters: tuple[TensorRecord, ...]
    buffers: tuple[TensorRecord, ...]


@dataclass(frozen=True, slots=True)
class Construction:
    """One model as its source says that it is built."""

    root: str
    class_: str
    file: str
    line: int | None
    modules: tuple[ModuleRecord, ...] = ()
    lines: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    limit: str | None = None
    """The limit at which evaluation ended early, if it did."""
    weights_from: str | None = None
    """The checkpoint whose shapes and dtypes these are, if the model is loaded."""


class _Part(NamedTuple):
    """A parameter as it counts for a line."""

    elements: Any
    """A number, or a value that is not known."""
    bytes: int | None
    certain: bool
    option: tuple[int, int] | None
    """The place that undecided branches fill with different modules, and which of them holds this one."""


class _Found(NamedTuple):
    """A module as it counts for the lines that made it."""

    root: ModuleInstance
    """If it is made in a branch or loop itself, it is looked at as if that were sure."""
    path: str
    module: ModuleInstance
    above: tuple[tuple[str, int], ...]
    """The places of those above it."""
    option: tuple[int, int] | None

    def is_certain(self) -> bool:
        """Whether it is there in any case, once the root is."""
        return self.module.doubt <= self.root.doubt


@dataclass(slots=True)
class _Summary:
    """What one line made."""

    paths: dict[str, None] = field(default_factory=dict)
    parts: dict[int, _Part] = field(default_factory=dict)
    certain: bool = True
    options: dict[int, dict[int, set[str]]] = field(default_factory=dict)
    """For each place that undecided branches fill: what every one of them makes here."""
    repeats: bool = False

    def add(self, found: _Found) -> None:
        """Count a module that the line makes itself."""
        self.paths[found.path] = None
        if found.option is None:
            self.certain = self.certain and found.is_certain()
        else:
            place, index = found.option
            self.options.setdefault(place, {}).setdefault(index, set()).add(found.path)

    @property
    def decided(self) -> bool:
        """Whether the line makes the same modules whatever is not known."""
        same = (
            len(made) > 1 and len({frozenset(one) for one in made.values()}) == 1
            for made in self.options.values()
        )
        return self.certain and all(same)


def records(root: ModuleInstance) -> tuple[tuple[ModuleRecord, ...], tuple[Line, ...]]:
    """The modules in `named_modules()` order and the lines that built them."""
    seen: dict[int, str] = {}
    lines: dict[tuple[str, int], _Summary] = defaultdict(_Summary)
    made = []
    for found in _with_ancestors(root):
        whole, path, module, above, option = found
        prefix = f"{path}." if path else ""
        parameters = tuple(_tensors(module.params, prefix, seen))
        buffers = tuple(_tensors(module.buffers, prefix, seen))
        site = module.site if path else None
        if site is not None:
            lines[site].add(found)
        parts = _parts(found)
        for place in above if site is None else (*above, site):
            lines[place].parts.update(parts)
            lines[place].repeats = lines[place].repeats or module.repeats > whole.repeats
        missing = lacking(module)
        if missing is not None:
            part = {id(module): _Part(missing, None, False, option)}
            for place in above if site is None else (*above, site):
                lines[place].parts.update(part)
        surely = found.is_certain() and all(part.certain for part in parts.values())
        certainty: Certainty = "unknown" if missing else "exact" if surely else "range"
        file, line = module.site or (None, None)
        made.append(ModuleRecord(path, module.cls.name, file, line, certainty, parameters, buffers))
    return tuple(made), tuple(_line(place, summary) for place, summary in sorted(lines.items()))


def _with_ancestors(root: ModuleInstance) -> Iterator[_Found]:
    """Modules with the places of those above them, and what undecided branches put in the same place."""
    roots = (root, *root.others)
    trees = [{id(module) for _, module in walk(one)} for one in roots]
    shared, count = set.intersection(*trees), itertools.count()
    place = next(count)
    seen: set[int] = set()
    for number, one in enumerate(roots):
        yield from _below(one, dict.fromkeys(trees[number] - shared, (place, number)), count, seen)
        seen |= trees[number]


def _below(
    root: ModuleInstance, options: dict[int, tuple[int, int]], count: Iterator[int], seen: set[int]
) -> Iterator[_Found]:
    """What one of the roots that there may be is made of, without what was seen; `count` numbers places."""
    places: dict[str, tuple[tuple[str, int], ...]] = {}
    for path, module in walk(root):
        above = places.get(path.rpartition(".")[0], ()) if path else ()
        own = module.site if path else None
        places[path] = above if own is None or own in above else (*above, own)
        if id(module) in seen:
            continue
        yield _Found(root, path, module, above, options.get(id(module)))
        for name, others in module.alternatives.items():
            below = f"{path}.{name}" if path else name
            place = next(count)
            chosen = module.modules.get(name)
            for _, part in walk(chosen) if isinstance(chosen, ModuleInstance) else ():
                options[id(part)] = (place, 0)
            for index, other in enumerate(others, 1):
                for inner, part in walk(other, below):
                    yield _Found(root, inner, part, places[path], (place, index))


def _parts(found: _Found) -> dict[int, _Part]:
    result = {}
    for value in found.module.params.values():
        if isinstance(value, Tensor):
            certain = found.is_certain() and value.attrs.get("doubt", 0) <= found.root.doubt
            result[id(value)] = _Part(numel(value.shape), stored_bytes(value), certain, found.option)
    return result


def _line(place: tuple[str, int], summary: _Summary) -> Line:
    parts = list(summary.parts.values())
    least, most = _bounds([(part, part.elements) for part in parts])
    lightest, heaviest = _bounds([(part, part.bytes) for part in parts])
    unknown = most is None or (summary.repeats and bool(parts))
    surely = summary.decided and least == most
    certainty: Certainty = "unknown" if unknown else "exact" if surely else "range"
    ranged = certainty == "range"
    return Line(
        *place,
        tuple(summary.paths),
        len(summary.paths),
        None if unknown else most,
        None if unknown else heaviest,
        certainty,
        least_parameters=least if ranged else None,
        least_bytes=lightest if ranged else None,
        formula=_formula(parts) if unknown and not summary.repeats else None,
        missing=_missing(summary) if unknown else "the dtype" if heaviest is None else None,
    )


def _bounds(parts: list[tuple[_Part, Any]]) -> tuple[int | None, int | None]:
    """The least and the most that a line makes; None where a size is not known."""
    if not all(isinstance(size, int) for _, size in parts):
        return None, None
    least = sum(size for part, size in parts if part.certain and part.option is None)
    most = sum(size for part, size in parts if part.option is None)
    places: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for part, size in parts:
        if part.option is not None:
            places[part.option[0]][part.option[1]] += size
    for options in places.values():
        least += min(options.values()) if len(options) > 1 else 0
        most += max(options.values())
    return least, most


def _formula(parts: list[_Part]) -> str | None:
    """The elements in terms of what is unknown; None where they are no polynomial."""
    total: Any = 0
    for part in parts:
        known = isinstance(total, int) and isinstance(part.elements, int)
        total = total + part.elements if known else combine("add", total, part.elements)
    return total.formula if isinstance(total, Symbolic) else None


def _missing(summary: _Summary) -> str:
    """What a size depends on that the source does not tell."""
    if summary.repeats:
        return "how often a loop runs"
    unknown = [part.elements for part in summary.parts.values() if not isinstance(part.elements, int)]
    names = [
        name
        for value in unknown
        for name in (value.names if isinstance(value, Symbolic) else [value.why] if value.why else [])
    ]
    return ", ".join(dict.fromkeys(names)) or "a size that the source does not tell"


def _tensors(table: dict[str, Any], prefix: str, seen: dict[int, str]) -> Any:
    for name, value in table.items():
        if not isinstance(value, Tensor):
            continue
        count = numel(value.shape)
        elements = count if isinstance(count, int) else None
        dtype = value.dtype.name if isinstance(value.dtype, DType) else None
        tied = seen.get(id(value))
        if tied is None:
            seen[id(value)] = prefix + name
        shape = value.shape
        if shape is not None and not set(map(type, shape)) <= {int}:
            shape = tuple([_size(part) for part in shape])
        formula = count.formula if isinstance(count, Symbolic) else None
        yield TensorRecord(
            name, shape, dtype, value.requires_grad, tied, elements, stored_bytes(value), formula
        )


def _size(part: Any) -> int | str | None:
    if isinstance(part, Symbolic):
        return part.formula
    return part if isinstance(part, int) and not isinstance(part, Unknown) else None

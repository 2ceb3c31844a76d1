"""What an evaluation gives: the modules of one model, its lines, and its conversion to a measured Model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from bitlens.measurement import Certainty, Layer, Line, Model
from bitlens.measurement import Tensor as MeasuredTensor
from bitlens.problems import Problem
from bitlens.source.evaluate.module_methods import walk
from bitlens.source.evaluate.symbolic import Symbolic
from bitlens.source.evaluate.tensors import numel
from bitlens.source.evaluate.values import DType, ModuleInstance, Tensor, Unknown


@dataclass(frozen=True, slots=True)
class TensorRecord:
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


@dataclass(frozen=True, slots=True)
class ModuleRecord:
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


@dataclass(slots=True)
class _Summary:
    """What one line made."""

    paths: list[str] = field(default_factory=list)
    tensors: dict[int, tuple[int | None, int | None]] = field(default_factory=dict)
    certain: bool = True


def records(root: ModuleInstance) -> tuple[tuple[ModuleRecord, ...], tuple[Line, ...]]:
    """The modules in `named_modules()` order and the lines that built them."""
    seen: dict[int, str] = {}
    lines: dict[tuple[str, int], _Summary] = defaultdict(_Summary)
    made = []
    for path, module, above in _with_ancestors(root):
        prefix = f"{path}." if path else ""
        parameters = tuple(_tensors(module.params, prefix, seen))
        buffers = tuple(_tensors(module.buffers, prefix, seen))
        site = module.site if path else None
        if site is not None:
            summary = lines[site]
            summary.paths.append(path)
            summary.certain = summary.certain and module.certain
        sizes = _sizes(module)
        for place in above if site is None else (*above, site):
            lines[place].tensors.update(sizes)
        certainty: Certainty = "exact" if module.certain else "range"
        file, line = module.site or (None, None)
        made.append(ModuleRecord(path, module.cls.name, file, line, certainty, parameters, buffers))
    return tuple(made), tuple(_line(place, summary) for place, summary in sorted(lines.items()))


def _with_ancestors(root: ModuleInstance) -> Any:
    """Modules with the places of those above them, and what undecided branches put in the same place."""
    places: dict[str, tuple[tuple[str, int], ...]] = {}
    for path, module in walk(root):
        above = places.get(path.rpartition(".")[0], ()) if path else ()
        yield path, module, above
        own = module.site if path else None
        places[path] = above if own is None or own in above else (*above, own)
        for name, others in module.alternatives.items():
            for other in others:
                below = f"{path}.{name}" if path else name
                for inner, part in walk(other, below):
                    yield inner, part, places[path]


def _sizes(module: ModuleInstance) -> dict[int, tuple[int | None, int | None]]:
    result = {}
    for value in module.params.values():
        if isinstance(value, Tensor):
            count = numel(value.shape)
            known = count if isinstance(count, int) else None
            size = (
                None if known is None or not isinstance(value.dtype, DType) else known * value.dtype.itemsize
            )
            result[id(value)] = (known, size)
    return result


def _line(place: tuple[str, int], summary: _Summary) -> Line:
    counts = [count for count, _ in summary.tensors.values()]
    sizes = [size for _, size in summary.tensors.values()]
    parameters = None if None in counts else sum(count for count in counts if count is not None)
    size = None if None in sizes else sum(value for value in sizes if value is not None)
    certainty: Certainty = "unknown" if parameters is None else "exact" if summary.certain else "range"
    return Line(place[0], place[1], tuple(summary.paths), len(summary.paths), parameters, size, certainty)


def _tensors(table: dict[str, Any], prefix: str, seen: dict[int, str]) -> Any:
    for name, value in table.items():
        if not isinstance(value, Tensor):
            continue
        count = numel(value.shape)
        elements = count if isinstance(count, int) else None
        dtype = value.dtype.name if isinstance(value.dtype, DType) else None
        size = elements * value.dtype.itemsize if elements is not None and dtype is not None else None
        tied = seen.get(id(value))
        seen.setdefault(id(value), prefix + name)
        shape = None if value.shape is None else tuple(_size(part) for part in value.shape)
        formula = count.formula if isinstance(count, Symbolic) else None
        yield TensorRecord(name, shape, dtype, value.requires_grad, tied, elements, size, formula)


def _size(part: Any) -> int | str | None:
    if isinstance(part, Symbolic):
        return part.formula
    return part if isinstance(part, int) and not isinstance(part, Unknown) else None


def to_model(construction: Construction) -> Model:
    """A construction as a Model measured from shapes. Tensors of unknown size are left out and said in its
    problems."""
    layers: list[Layer] = []
    dtypes: dict[str, int] = defaultdict(int)
    missing: list[str] = []
    for record in construction.modules:
        tensors = [*_measured(record, "parameter", missing), *_measured(record, "buffer", missing)]
        if not tensors:
            continue
        own = [tensor for tensor in tensors if tensor.kind == "parameter" and tensor.tied_to is None]
        counted = {tensor.name: _elements(tensor.shape) for tensor in own}
        for tensor in own:
            dtypes[tensor.dtype] += counted[tensor.name]
        layers.append(
            Layer(
                path=record.path,
                type=record.type,
                file=record.file,
                line=record.line,
                parameters=sum(counted.values()),
                bytes=sum(tensor.bytes for tensor in own),
                buffer_bytes=sum(t.bytes for t in tensors if t.kind == "buffer" and t.tied_to is None),
                dtype=next((tensor.dtype for tensor in tensors), "float32"),
                tensors=tuple(tensors),
            )
        )
    problems = list(construction.problems)
    if missing:
        some = ", ".join(missing[:5])
        text = f"the size of {len(missing)} tensors is not known ({some} …); they are not counted"
        problems.append(Problem("unknown-size", text, construction.file, construction.line, None, "warning"))
    return Model(
        name=construction.root,
        class_=construction.class_,
        file=construction.file,
        line=construction.line,
        weights="shapes",
        weights_from=None,
        parameters=sum(layer.parameters for layer in layers),
        bytes=sum(layer.bytes for layer in layers),
        buffer_bytes=sum(layer.buffer_bytes for layer in layers),
        dtypes=dict(dtypes),
        schemes={},
        layers=tuple(layers),
        lines=construction.lines,
        problems=tuple(problems),
    )


def _measured(record: ModuleRecord, kind: Any, missing: list[str]) -> list[MeasuredTensor]:
    result = []
    for tensor in record.parameters if kind == "parameter" else record.buffers:
        name = f"{record.path}.{tensor.name}" if record.path else tensor.name
        if tensor.bytes is None or tensor.shape is None or tensor.dtype is None:
            missing.append(name)
            continue
        shape = tuple(size for size in tensor.shape if isinstance(size, int))
        result.append(
            MeasuredTensor(
                tensor.name,
                kind,
                shape,
                tensor.dtype,
                tensor.bytes,
                tensor.requires_grad and kind == "parameter",
                tensor.tied_to,
            )
        )
    return result


def _elements(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total

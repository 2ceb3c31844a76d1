"""The measured Model that a construction is, in shapes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from bitlens.measurement import Layer, Line, Model
from bitlens.measurement import Tensor as MeasuredTensor
from bitlens.problems import Problem
from bitlens.source.evaluate.construction import Construction, ModuleRecord


def to_model(construction: Construction) -> Model:
    """A construction as a Model measured from shapes.

    Layers of unknown size stand in `lines` alone, and sums that need them are None.
    """
    layers: list[Layer] = []
    dtypes: dict[str, int] = defaultdict(int)
    missing: dict[str, list[str]] = {"parameter": [], "buffer": []}
    for record in construction.modules:
        unknown = sum(map(len, missing.values()))
        tensors = [
            *_measured(record, "parameter", missing["parameter"]),
            *_measured(record, "buffer", missing["buffer"]),
        ]
        if not tensors or unknown < sum(map(len, missing.values())):
            continue
        own = [tensor for tensor in tensors if tensor.kind == "parameter" and tensor.tied_to is None]
        counted = {tensor.name: _elements(tensor.shape) for tensor in own}
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
    uncertain = {(line.file, line.line) for line in construction.lines if line.certainty != "exact"}
    layers = _one_for_each_path([one for one in layers if (one.file, one.line) not in uncertain])
    for tensor in (tensor for layer in layers for tensor in layer.tensors):
        if tensor.kind == "parameter" and tensor.tied_to is None:
            dtypes[tensor.dtype] += _elements(tensor.shape)
    untied = (t for record in construction.modules for t in record.parameters if t.tied_to is None)
    sized = all(parameter.elements is not None for parameter in untied)
    decided = all(line.certainty == "exact" or _weightless(line) for line in construction.lines)
    decided = decided and not any(map(_is_open, construction.modules))
    return Model(
        name=construction.root,
        class_=construction.class_,
        file=construction.file,
        line=construction.line,
        weights="shapes",
        weights_from=construction.weights_from,
        parameters=sum(layer.parameters for layer in layers) if decided and sized else None,
        bytes=sum(layer.bytes for layer in layers) if decided and not missing["parameter"] else None,
        buffer_bytes=sum(layer.buffer_bytes for layer in layers) if not missing["buffer"] else None,
        dtypes=dict(dtypes),
        schemes={},
        layers=tuple(layers),
        lines=construction.lines,
        problems=(*construction.problems, *_not_known(construction, missing, decided)),
    )


def _one_for_each_path(layers: list[Layer]) -> list[Layer]:
    """Leave out what may stand at a path in different sizes."""
    options: dict[str, list[Layer]] = defaultdict(list)
    for layer in layers:
        options[layer.path].append(layer)
    return [found[0] for found in options.values() if len({layer.tensors for layer in found}) == 1]


def _is_open(record: ModuleRecord) -> bool:
    """Whether it is not known what a module holds, and no line stands for it."""
    return record.certainty == "unknown" or (not record.path and record.certainty == "range")


def _weightless(line: Line) -> bool:
    """Whether a line makes no parameter in any case: an activation in an undecided branch."""
    return line.certainty == "range" and line.parameters == 0


def _not_known(construction: Construction, missing: dict[str, list[str]], decided: bool) -> list[Problem]:
    """Why a model's sums are not known."""
    place = construction.file, construction.line, None
    names = [name for kind in missing.values() for name in kind]
    if names:
        some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        depends = dict.fromkeys(line.missing for line in construction.lines if line.missing)
        on = f"; it depends on {'; '.join(list(depends)[:5])}" if depends else ""
        text = f"the size of {len(names)} tensors is not known ({some}){on}"
        return [Problem("unknown-size", text, *place, "warning")]
    if decided:
        return []
    lacking = [record.path or construction.root for record in construction.modules if _is_open(record)]
    if lacking:
        some = ", ".join(lacking[:5]) + (", …" if len(lacking) > 5 else "")
        text = f"what {some} is made of depends on what the source does not tell"
        return [Problem("unknown-size", text, *place, "warning")]
    ranges = [line for line in construction.lines if line.certainty != "exact" and not _weightless(line)]
    lines = ", ".join(str(line.line) for line in ranges[:8]) + (", …" if len(ranges) > 8 else "")
    what = f"line {lines} makes" if len(ranges) == 1 else f"lines {lines} make"
    text = f"what {what} depends on what the source does not tell"
    return [Problem("unknown-size", text, *place, "warning")]


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

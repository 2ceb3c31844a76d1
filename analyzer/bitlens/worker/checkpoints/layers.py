"""From a checkpoint to the layers of its model: by the model's class if known, else by names and shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError, TensorInfo
from bitlens.worker.checkpoints.from_config import build_from_config
from bitlens.worker.checkpoints.infer import class_bases, dotted_bases, is_buffer, module_type
from bitlens.worker.checkpoints.keys import Matched, Source, match
from bitlens.worker.checkpoints.quantized import QuantizedWeight, quantized_weights

INFERRED = "type inferred from the names and shapes of its tensors"


@dataclass
class CheckpointLayer:
    """A module that owns tensors, without their values."""

    path: str
    type: str
    bases: tuple[str, ...]
    """Dotted names of the class's method resolution order, its own first."""
    tensors: list[dict[str, Any]]
    """One dict a tensor: name, kind, shape, dtype, bytes, requires_grad, tied_to."""
    read: Callable[[str], torch.Tensor]
    """Values of a tensor by its name in the layer; CheckpointError `not-stored` if not in `stored`."""
    stored: frozenset[str]
    """Names of the tensors whose values the checkpoint holds."""
    note: str | None = None
    leaf: bool = True
    """Whether no other layer lies below it."""
    origins: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By name in the layer: file and name of the stored tensor, where it is read as it is stored."""


@dataclass
class CheckpointModel:
    """All layers of a checkpoint, and what does not fit."""

    class_name: str | None
    """Dotted name of the model's class; None for a bare weights file."""
    layers: list[CheckpointLayer]
    problems: list[CheckpointError] = field(default_factory=list)
    """Warnings to show: tensors that do not match, why a class could not be built."""


def iterate_layers(
    checkpoint: Checkpoint, config_dir: str | None = None, model: torch.nn.Module | None = None
) -> Iterator[CheckpointLayer]:
    """The layers of `describe`, one by one."""
    return iter(describe(checkpoint, config_dir, model).layers)


def describe(
    checkpoint: Checkpoint, config_dir: str | None = None, model: torch.nn.Module | None = None
) -> CheckpointModel:
    """Layers by `model` (built on meta), else by the class that `config_dir` names, else inferred."""
    if model is None and config_dir is not None:
        try:
            model = build_from_config(config_dir)
        except CheckpointError as problem:
            return CheckpointModel(None, infer_layers(checkpoint), [problem])
    if model is None:
        return CheckpointModel(None, infer_layers(checkpoint))
    found = _ModelLayers(checkpoint, model, match(checkpoint, model))
    if _stored_bytes(checkpoint, found.unexpected) * 2 > _stored_bytes(checkpoint, checkpoint.names()):
        message = (
            f"Most tensors do not belong to {type(model).__name__}; types are inferred from names and shapes."
        )
        mismatch = CheckpointError("class-mismatch", message, checkpoint.files[0])
        return CheckpointModel(None, infer_layers(checkpoint), [mismatch])
    return found.describe()


def _stored_bytes(checkpoint: Checkpoint, names: Iterable[str]) -> int:
    return sum(checkpoint.info(name).bytes for name in names)


def infer_layers(checkpoint: Checkpoint) -> list[CheckpointLayer]:
    """Layers of a bare weights file: names are grouped by all but their last part."""
    quantized = quantized_weights(checkpoint)
    owners = {key: owner for owner, weight in quantized.items() for key in weight.parts.values()}
    groups: dict[str, dict[str, TensorInfo | QuantizedWeight]] = {}
    first: dict[Hashable, str] = {}
    for name in checkpoint.names():
        path, _, last = name.rpartition(".")
        path, last = owners.get(name, (path, last))
        groups.setdefault(path, {})[last] = quantized.get((path, last)) or checkpoint.info(name)
        first.setdefault(checkpoint.storage_key(name), name)
    ties = {name: first[checkpoint.storage_key(name)] for name in checkpoint.names()}
    parts = [path.split(".") for path in groups]
    inner = {".".join(names[:depth]) for names in parts for depth in range(len(names))}
    layers = [_inferred_layer(checkpoint, path, found, ties) for path, found in groups.items()]
    return [replace(layer, leaf=layer.path not in inner) for layer in layers]


def _inferred_layer(
    checkpoint: Checkpoint,
    path: str,
    own: Mapping[str, TensorInfo | QuantizedWeight],
    ties: Mapping[str, str],
) -> CheckpointLayer:
    found = module_type(path, {name: tensor.shape for name, tensor in own.items()})
    stored = {name: info for name, info in own.items() if isinstance(info, TensorInfo)}
    quantized = {name: weight for name, weight in own.items() if isinstance(weight, QuantizedWeight)}
    tensors = [
        _quantized_tensor(name, quantized[name])
        if name in quantized
        else _inferred_tensor(name, stored[name], ties[stored[name].name])
        for name in own
    ]
    parts = [part for weight in quantized.values() for part in weight.parts]
    valued = frozenset(name for name, info in stored.items() if checkpoint.has_values(info.name))
    empty = [name for name in stored if name not in valued]
    note = INFERRED if found else "type not known: its tensors' names and shapes do not tell"
    return CheckpointLayer(
        path,
        found or "Module",
        class_bases(found),
        tensors,
        lambda name: checkpoint.read(stored[name].name),
        valued,
        "; ".join(filter(None, (note, _note([], parts, empty)))),
        origins={name: (info.file, info.name) for name, info in stored.items() if name in valued},
    )


def _quantized_tensor(name: str, weight: QuantizedWeight) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "parameter",
        "shape": weight.shape,
        "dtype": weight.method,
        "bytes": weight.bytes,
        "requires_grad": True,
        "tied_to": None,
    }


def _inferred_tensor(name: str, info: TensorInfo, owner: str) -> dict[str, Any]:
    buffer = is_buffer(name, info.dtype)
    return {
        "name": name,
        "kind": "buffer" if buffer else "parameter",
        "shape": info.shape,
        "dtype": info.dtype,
        "bytes": info.bytes,
        "requires_grad": not buffer,
        "tied_to": None if owner == info.name else owner,
    }


class _ModelLayers:
    """Joins the modules of a model to the tensors that were matched to it."""

    def __init__(self, checkpoint: Checkpoint, model: torch.nn.Module, matched: Matched) -> None:
        self._checkpoint = checkpoint
        self._model = model
        self._sources = matched.sources
        self._missing: list[str] = []
        self._owners = _owners(model)
        self._method = _quantization(model)
        self._parts = self._quantized(matched.unexpected) if self._method else {}
        taken = {key for parts in self._parts.values() for key in parts.values()}
        self.unexpected = [key for key in matched.unexpected if key not in taken]
        self._untied = self._differing()

    def describe(self) -> CheckpointModel:
        """Every module of the model that owns tensors, in the model's order."""
        layers = [self._layer(path, module) for path, module in self._model.named_modules()]
        class_name = f"{type(self._model).__module__}.{type(self._model).__qualname__}"
        return CheckpointModel(class_name, [layer for layer in layers if layer.tensors], self._problems())

    def _layer(self, path: str, module: torch.nn.Module) -> CheckpointLayer:
        dot = f"{path}." if path else ""
        own = _own_tensors(module)
        sources = {name: self._source(dot + name, tensor) for name, _, tensor in own}
        readers = {
            name: source.read for name, source in sources.items() if source and self._has_values(source)
        }
        empty = [name for name, source in sources.items() if source is not None and name not in readers]
        tensors = [self._tensor(dot + name, kind, tensor, sources[name]) for name, kind, tensor in own]
        parts = {part: name for name, _, _ in own for part in self._parts.get(dot + name, ())}
        lacking = [name for name, kind, _ in own if sources[name] is None and kind == "parameter"]
        absent = [name for name in lacking if name not in parts.values()]
        self._missing += [dot + name for name in absent]
        return CheckpointLayer(
            path,
            type(module).__name__,
            dotted_bases(type(module)),
            tensors,
            lambda name: self._read(dot + name, readers.get(name)),
            frozenset(readers),
            _note(absent, parts, empty),
            leaf=not module._modules,
            origins={
                name: (self._checkpoint.info(source.keys[0]).file, source.keys[0])
                for name, source in sources.items()
                if source is not None and name in readers and not source.converted
            },
        )

    def _has_values(self, source: Source) -> bool:
        return all(map(self._checkpoint.has_values, source.keys))

    def _source(self, name: str, tensor: torch.Tensor) -> Source | None:
        """The stored tensor for `name`, or for any tensor that it is tied to."""
        names = [name, *self._owners[id(tensor)]]
        return next((self._sources[alias] for alias in names if alias in self._sources), None)

    def _differing(self) -> set[str]:
        """Names that the class ties and the file stores with other values: they are left apart."""
        if not hasattr(self._model, "all_tied_weights_keys"):
            return set()
        stored = [[name for name in names if name in self._sources] for names in self._owners.values()]
        return {name for names in stored for name in names[1:] if not self._same(names[0], name)}

    def _same(self, one: str, other: str) -> bool:
        first, second = self._sources[one], self._sources[other]
        keys = [self._checkpoint.storage_key(source.keys[0]) for source in (first, second)]
        if keys[0] == keys[1] or not (self._has_values(first) and self._has_values(second)):
            return True
        return torch.equal(first.read(), second.read())

    def _tensor(self, name: str, kind: str, tensor: torch.Tensor, source: Source | None) -> dict[str, Any]:
        owner = self._owners[id(tensor)][0]
        shape, dtype = tuple(tensor.shape), str(tensor.dtype)[6:]
        size = tensor.numel() * tensor.element_size()
        if name in self._parts:
            dtype, size = self._method, _stored_bytes(self._checkpoint, self._parts[name].values())
        elif source is not None:
            info = self._checkpoint.info(source.keys[0])
            shape, dtype, size = self._stored(shape, info, source)
        return {
            "name": name.rpartition(".")[2],
            "kind": kind,
            "shape": shape,
            "dtype": dtype,
            "bytes": size,
            "requires_grad": kind == "parameter" and tensor.requires_grad,
            "tied_to": None if name == owner or name in self._untied else owner,
        }

    def _stored(
        self, shape: tuple[int, ...], info: TensorInfo, source: Source
    ) -> tuple[tuple[int, ...], str, int]:
        """Shape, dtype and bytes of what `source` reads: of the file, or after the library's conversion."""
        if not source.converted:
            return info.shape, info.dtype, info.bytes
        elements = max(1, math.prod(info.shape))
        return shape, info.dtype, math.prod(shape) * info.bytes // elements

    def _read(self, name: str, reader: Callable[[], torch.Tensor] | None) -> torch.Tensor:
        if reader is None:
            message = f"The checkpoint does not hold {name}."
            raise CheckpointError("not-stored", message, self._checkpoint.files[0])
        return reader()

    def _quantized(self, unexpected: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """By parameter the stored tensors, by name in its module, that are its codes, scales and the like.

        They bear the parameter's name (`weight.absmax`, `qweight`); those without are the weight's (`SCB`).
        """
        modules = dict(self._model.named_modules())
        found: dict[str, dict[str, str]] = {}
        for key, name in unexpected.items():
            path = next(path for path in _above(name) if path in modules)
            part = name[len(path) :].lstrip(".")
            own = [name for name, kind, _ in _own_tensors(modules[path]) if kind == "parameter"]
            owners = [name for name in own if name in part or name == "weight"]
            if owners:
                owner = max(owners, key=lambda name: (name in part, len(name)))
                found.setdefault(f"{path}.{owner}".lstrip("."), {})[part] = key
        for name, parts in found.items():
            if name in self._sources:
                parts[name.rpartition(".")[2]] = self._sources.pop(name).keys[0]
        return found

    def _problems(self) -> list[CheckpointError]:
        file, name = self._checkpoint.files[0], type(self._model).__name__
        problems = []
        unexpected = self._surprising(self.unexpected, "_keys_to_ignore_on_load_unexpected")
        missing = self._surprising(self._missing, "_keys_to_ignore_on_load_missing")
        if unexpected:
            message = f"{name} has no place for {_some(unexpected)}; the library ignores such tensors."
            problems.append(CheckpointError("unexpected-tensors", message, file))
        if missing:
            message = f"The checkpoint lacks {_some(missing)} of {name}, which the library initialises."
            problems.append(CheckpointError("missing-tensors", message, file))
        return problems

    def _surprising(self, names: list[str], attribute: str) -> list[str]:
        """Names that no pattern under `attribute` calls harmless (transformers' classes have such lists)."""
        patterns = getattr(self._model, attribute, None) or ()
        return [name for name in names if not any(re.search(pattern, name) for pattern in patterns)]


def _owners(model: torch.nn.Module) -> dict[int, list[str]]:
    """All full names of each tensor object of a model, its first owner's first."""
    found: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                found.setdefault(id(tensor), []).append(f"{path}.{name}" if path else name)
    return found


def _own_tensors(module: torch.nn.Module) -> list[tuple[str, str, torch.Tensor]]:
    """Name, kind and tensor of what the module itself registers, parameters first."""
    kinds = (("parameter", module._parameters), ("buffer", module._buffers))
    return [
        (name, kind, tensor) for kind, found in kinds for name, tensor in found.items() if tensor is not None
    ]


def _quantization(model: torch.nn.Module) -> str:
    """How the model's checkpoint is quantized, as its configuration says; empty if it is not."""
    config = getattr(getattr(model, "config", None), "quantization_config", None)
    return str(config.get("quant_method", "quantized")) if isinstance(config, dict) else ""


def _above(name: str) -> Iterator[str]:
    """The paths of the modules in which a tensor of this name may lie, the innermost first."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _note(absent: list[str], parts: Iterable[str], empty: Iterable[str] = ()) -> str | None:
    notes = []
    if absent:
        notes.append(f"not in the checkpoint: {', '.join(absent)}")
    if empty:
        notes.append(f"saved without values: {', '.join(empty)}")
    if parts:
        notes.append(f"stored quantized: {', '.join(parts)}")
    return "; ".join(notes) or None


def _some(names: list[str]) -> str:
    listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''} ({listed})"

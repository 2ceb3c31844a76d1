"""A model in memory (or on meta) as a stream of layers."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Callable

import torch

from bitlens.backends.facts import KEPT_HEAD, KEPT_IN_FLOAT32, KEPT_LAST, LayerFacts, TensorFacts
from bitlens.worker import tensors
from bitlens.worker.failure import Failure, Refused
from bitlens.worker.loads import Loads, Read
from bitlens.worker.stream import MAX_LAYERS, LayerSource, Stream, dtypes_of
from bitlens.worker.trace import Before, Constructions, Place


def measure(model: torch.nn.Module, stream: Stream, seen: Constructions, loads: Loads, device: str) -> None:
    """Send every layer of `model`, the lines that constructed its modules, and the totals."""
    found = _Layers(model, seen, loads)
    layers = found.sources()
    weights, source = _weights(model, layers, loads)
    stream.begin(
        **{"class": type(model).__name__},
        weights=weights,
        weights_from=source,
        layers=len(layers),
        unsized=sorted({kind for kinds in found.unsized.values() for kind in kinds}),
        notes=loads.notes,
    )
    if found.unsized:
        stream.problem(_unsized(model, list(found.unsized), seen), "warning")
    stream.layers(layers, device)
    stream.end(lines_of(model, seen.place), dtypes_of(layers))


def _unsized(model: torch.nn.Module, paths: list[str], seen: Constructions) -> Failure:
    """Which layers wait for an input, on the line of the first of them."""
    named = ", ".join(path or "the model itself" for path in paths[:5]) + (", …" if len(paths) > 5 else "")
    size = "the size of 1 layer is" if len(paths) == 1 else f"the sizes of {len(paths)} layers are"
    place = seen.place(model.get_submodule(paths[0]))
    message = f"{size} not known before the first input, from which lazy modules take it: {named}"
    return Failure("unknown-size", message, *(place or ()))


class _Layers:
    """The layers of one model, in the order of `named_modules`."""

    def __init__(self, model: torch.nn.Module, seen: Constructions, loads: Loads) -> None:
        self._model = model
        self._seen = seen
        self._loads = loads
        self._ties = tensors.Ties()
        self._fresh = _fresh(model, loads)
        self._kept = kept_in_float(model)
        self.unsized: dict[str, set[str]] = {}
        """Layers that get their sizes with their first input, and the kinds of tensors that wait for it."""

    def sources(self) -> list[LayerSource]:
        """Those that have sizes. Raises Refused beyond MAX_LAYERS."""
        layers: list[LayerSource] = []
        for path, module in self._model.named_modules():
            own = list(tensors.owned(module))
            waiting = {item.kind for item in own if not tensors.has_size(item.tensor)}
            if waiting:
                self.unsized[path] = set(waiting)
                continue
            if own and len(layers) == MAX_LAYERS:
                message = f"the model has more than {MAX_LAYERS:,} layers; name a part of it with --model"
                raise Refused("too-many-layers", message)
            if own:
                layers.append(self._layer(path, module, own))
        return layers

    def _layer(self, path: str, module: torch.nn.Module, own: list[tensors.Owned]) -> LayerSource:
        place = self._seen.place(module)
        fresh = [item.name for item in own if _join(path, item.name) in self._fresh]
        source = LayerSource(
            path=path,
            type=type(module).__name__,
            bases=bases_of(type(module)),
            tensors=tuple(_facts(path, item, self._ties) for item in own),
            **_values({item.name: item.tensor for item in own}, self._loads.kept.get(module, {})),
            file=place[0] if place else None,
            line=place[1] if place else None,
            note=f"initial values, not in the checkpoint: {', '.join(fresh)}" if fresh else None,
            kept=self._kept.get(path),
            leaf=not module._modules,
        )
        before = self._seen.before(module)
        return _as_it_was(source, before) if before and before.parameters else source


def _as_it_was(source: LayerSource, before: Before) -> LayerSource:
    """A layer that the program quantized: what it stores now, measured on its float weights of before."""
    none_tied = tensors.Ties()
    own = [tensors.Owned(name, "parameter", tensor) for name, tensor in before.parameters.items()]
    facts = tuple(_facts(source.path, item, none_tied) for item in own)
    return source._replace(
        **_values(before.parameters, {}),
        before=LayerFacts(source.path, before.type.__name__, bases_of(before.type), facts),
        note=source.note or "quantized by the program; the errors are those of its float weights before that",
    )


def _values(values: dict[str, torch.Tensor], kept: dict[str, Read]) -> dict[str, Any]:
    """The fields of a LayerSource that lead to values."""
    stored = frozenset(name for name, t in values.items() if t.device.type != "meta" or name in kept)
    return {"read": _reader(values, kept), "stored": stored}


def _reader(values: dict[str, torch.Tensor], kept: dict[str, Read]) -> Callable[[str], torch.Tensor]:
    """Values in the model's dtype, from the model or, on meta, from the checkpoint."""

    def read(name: str) -> torch.Tensor:
        tensor = values[name]
        return kept[name]().to(tensor.dtype) if tensor.device.type == "meta" else tensor.detach()

    return read


def _facts(path: str, item: tensors.Owned, ties: tensors.Ties) -> TensorFacts:
    return TensorFacts(
        name=item.name,
        kind=item.kind,
        shape=tensors.shape_of(item.tensor),
        dtype=tensors.dtype_name(item.tensor),
        bytes=tensors.stored_bytes(item.tensor),
        requires_grad=bool(item.tensor.requires_grad),
        tied_to=ties.first_owner(item.tensor, _join(path, item.name)),
    )


def kept_in_float(model: torch.nn.Module) -> dict[str, str]:
    """Paths of the modules that transformers' quantizers skip, and why (the rules of its `HfQuantizer`).

    Empty for a model of another library, which has no such filter.
    """
    if not hasattr(model, "get_output_embeddings"):
        return {}
    head = model.get_output_embeddings()  # type: ignore[operator]
    ties: Any = getattr(model, "all_tied_weights_keys", None) or {}
    last = [name for name, _ in model.named_parameters()][-1:]
    names = {path: KEPT_HEAD for path, module in model.named_modules() if module is head}
    names.update({name.removesuffix(".weight"): KEPT_HEAD for name in (*ties, *ties.values())})
    names.update({name: KEPT_LAST for name in (n.removesuffix(".weight") for n in last) if name not in names})
    listed = getattr(model, "_keep_in_fp32_modules", None) or ()
    patterns = [(re.escape(name), name, why) for name, why in names.items()]
    patterns += [(pattern, pattern, KEPT_IN_FLOAT32) for pattern in listed]
    known = [(re.compile(rf"(?:{key})(?:(?<=\.)|(?=\.|$))"), end, why) for key, end, why in patterns]
    kept = {
        path: next((why for start, end, why in known if start.match(path) or path.endswith(end)), None)
        for path, _ in model.named_modules()
    }
    return {path: why for path, why in kept.items() if why}


def bases_of(cls: type) -> tuple[str, ...]:
    """Dotted names of the classes that `cls` is, itself first."""
    return tuple(f"{c.__module__}.{c.__qualname__}" for c in cls.__mro__ if c is not object)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _fresh(model: torch.nn.Module, loads: Loads) -> set[str]:
    """Full names of parameters that a checkpoint was loaded over but not into."""
    names: set[str] = set()
    for path, module in model.named_modules():
        names.update(_join(path, name) for name in loads.missing.get(module, ()))
    return names


def _weights(model: torch.nn.Module, layers: list[LayerSource], loads: Loads) -> tuple[str, str | None]:
    sources = [loads.sources[m] for m in model.modules() if m in loads.sources]
    if sources and any(layer.stored for layer in layers):
        return "checkpoint", sources[0]
    complete = all(t.name in layer.stored for layer in layers for t in layer.tensors if t.kind == "parameter")
    return ("initial" if complete else "shapes"), None


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def lines_of(
    model: torch.nn.Module, place: Callable[[torch.nn.Module], Place | None]
) -> list[dict[str, Any]]:
    """Modules by the line that constructed them; sums are over the distinct parameters below them."""
    owned = {module: _own(module) for module in model.modules()}
    below: dict[str, dict[int, torch.Tensor]] = {}
    by_line: dict[Place, list[str]] = defaultdict(list)
    for path, module in model.named_modules():
        at = place(module) if path else None
        if at is not None:
            by_line[at].append(path)
            below[path] = {id(tensor): tensor for part in module.modules() for tensor in owned[part]}
    return [_line(at, paths, below) for at, paths in sorted(by_line.items())]


def _own(module: torch.nn.Module) -> list[torch.Tensor]:
    """A module's own parameters, the packed ones of torch.ao's layers too."""
    return [item.tensor for item in tensors.owned(module) if item.kind == "parameter"]


def _line(at: Place, paths: list[str], below: dict[str, dict[int, torch.Tensor]]) -> dict[str, Any]:
    distinct = {key: tensor for path in paths for key, tensor in below[path].items()}.values()
    made = {"file": at[0], "line": at[1], "paths": paths, "count": len(paths)}
    if not all(map(tensors.has_size, distinct)):
        waiting = {"certainty": "unknown", "missing": "the first input"}
        return {**made, "parameters": None, "bytes": None, **waiting}
    return {
        **made,
        "parameters": sum(_product(tensors.shape_of(p)) for p in distinct),
        "bytes": sum(tensors.stored_bytes(p) for p in distinct),
        "certainty": "exact",
    }

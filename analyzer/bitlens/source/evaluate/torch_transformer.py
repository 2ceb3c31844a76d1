"""`nn.Transformer` and its parts: composite layers, whose own modules belong to the line that calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.module_methods import copied
from bitlens.source.evaluate.values import ClassValue, ModuleInstance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_LAYER = (
    "d_model",
    "nhead",
    "dim_feedforward",
    "dropout",
    "activation",
    "layer_norm_eps",
    "batch_first",
    "norm_first",
    "bias",
)
_LAYER_DEFAULTS: dict[str, Any] = {
    "dim_feedforward": 2048,
    "dropout": 0.1,
    "activation": "relu",
    "layer_norm_eps": 1e-5,
    "batch_first": False,
    "norm_first": False,
    "bias": True,
    "device": None,
    "dtype": None,
}
_WHOLE = (
    "d_model", "nhead", "num_encoder_layers", "num_decoder_layers", "dim_feedforward", "dropout",
    "activation", "custom_encoder", "custom_decoder", "layer_norm_eps", "batch_first", "norm_first", "bias",
)  # fmt: skip
_WHOLE_DEFAULTS = {
    **_LAYER_DEFAULTS,
    "d_model": 512,
    "nhead": 8,
    "num_encoder_layers": 6,
    "num_decoder_layers": 6,
    "custom_encoder": None,
    "custom_decoder": None,
}


def transformer_classes(machine: Machine, classes: dict[str, Any]) -> dict[str, Any]:
    """The classes by name; `classes` holds the layers that they are made of."""
    table: dict[str, Callable[..., None]] = {
        "TransformerEncoderLayer": _encoder_layer,
        "TransformerDecoderLayer": _decoder_layer,
        "TransformerEncoder": _stack,
        "TransformerDecoder": _stack,
        "Transformer": _whole,
    }
    made = {}
    for name, build in table.items():
        made[name] = ClassValue(name, [classes["Module"]], {"__init__": _init(machine, build)})
    return made


def _init(machine: Machine, build: Callable[..., None]) -> Native:
    def init(args: list[Any], kwargs: dict[str, Any]) -> None:
        machine.inside_torch += 1
        try:
            build(machine, args[0], args[1:], kwargs)
        finally:
            machine.inside_torch -= 1

    return Native("__init__", init, method=True)


def _bound(
    machine: Machine,
    names: tuple[str, ...],
    defaults: dict[str, Any],
    args: list[Any],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    bound = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
    for name in names:
        if name not in bound:
            raise machine.error("TypeError", f"the argument {name!r} is missing")
    return bound


def _make(machine: Machine, name: str, *args: Any, **kwargs: Any) -> Any:
    return machine.call(machine.torch_classes[name], list(args), kwargs)


def _encoder_layer(machine: Machine, target: ModuleInstance, args: list[Any], kwargs: dict[str, Any]) -> None:
    _layer(machine, target, _bound(machine, _LAYER, _LAYER_DEFAULTS, args, kwargs), cross=False)


def _decoder_layer(machine: Machine, target: ModuleInstance, args: list[Any], kwargs: dict[str, Any]) -> None:
    _layer(machine, target, _bound(machine, _LAYER, _LAYER_DEFAULTS, args, kwargs), cross=True)


def _layer(machine: Machine, target: ModuleInstance, bound: dict[str, Any], cross: bool) -> None:
    size, bias, dtype = bound["d_model"], bound["bias"], bound["dtype"]
    parts = target.modules
    attention = {
        "dropout": bound["dropout"],
        "batch_first": bound["batch_first"],
        "bias": bias,
        "dtype": dtype,
    }
    parts["self_attn"] = _make(machine, "MultiheadAttention", size, bound["nhead"], **attention)
    if cross:
        parts["multihead_attn"] = _make(machine, "MultiheadAttention", size, bound["nhead"], **attention)
    parts["linear1"] = _make(machine, "Linear", size, bound["dim_feedforward"], bias, dtype=dtype)
    parts["dropout"] = _make(machine, "Dropout", bound["dropout"])
    parts["linear2"] = _make(machine, "Linear", bound["dim_feedforward"], size, bias, dtype=dtype)
    for number in (1, 2, 3) if cross else (1, 2):
        norm = _make(machine, "LayerNorm", size, eps=bound["layer_norm_eps"], bias=bias, dtype=dtype)
        parts[f"norm{number}"] = norm
    for number in (1, 2, 3) if cross else (1, 2):
        parts[f"dropout{number}"] = _make(machine, "Dropout", bound["dropout"])
    target.attrs["norm_first"] = bound["norm_first"]
    if isinstance(bound["activation"], ModuleInstance):
        parts["activation"] = bound["activation"]
    else:
        target.attrs["activation"] = bound["activation"]


def _stack(machine: Machine, target: ModuleInstance, args: list[Any], kwargs: dict[str, Any]) -> None:
    names = ("encoder_layer" if "Encoder" in target.cls.name else "decoder_layer", "num_layers", "norm")
    bound = {"norm": None, **dict(zip(names, args, strict=False)), **kwargs}
    layer = next((bound[name] for name in ("encoder_layer", "decoder_layer") if name in bound), None)
    count = bound.get("num_layers")
    target.modules["layers"] = _clones(machine, layer, count)
    target.attrs["num_layers"] = count
    if isinstance(bound["norm"], ModuleInstance):
        target.modules["norm"] = bound["norm"]
    else:
        target.attrs["norm"] = bound["norm"]


def _clones(machine: Machine, layer: Any, count: Any) -> Any:
    copies: list[Any] = []
    if isinstance(layer, ModuleInstance):
        for _ in range(count if isinstance(count, int) else 1):
            machine.tick()
            copies.append(clone(machine, layer))
    elif isinstance(layer, Unknown):
        copies = [layer]
    return _make(machine, "ModuleList", copies)


def clone(machine: Machine, layer: ModuleInstance) -> ModuleInstance:
    """A deep copy: the outermost module belongs to the line that copies, the inner ones to those that made
    them."""
    made: ModuleInstance = copied(layer, {})
    machine.modules += 1
    fresh = machine.classes.new_module(layer.cls)
    made.site, made.inner = fresh.site, machine.inside_torch > 0
    return made


def _whole(machine: Machine, target: ModuleInstance, args: list[Any], kwargs: dict[str, Any]) -> None:
    bound = _bound(machine, _WHOLE, _WHOLE_DEFAULTS, args, kwargs)
    for side in ("encoder", "decoder"):
        custom = bound[f"custom_{side}"]
        if custom is not None:
            target.modules[side] = custom
            continue
        options = {name: bound[name] for name in (*_LAYER[2:], "dtype")}
        layer = _make(
            machine, f"Transformer{side.capitalize()}Layer", bound["d_model"], bound["nhead"], **options
        )
        norm_options = {"eps": bound["layer_norm_eps"], "bias": bound["bias"], "dtype": bound["dtype"]}
        norm = _make(machine, "LayerNorm", bound["d_model"], **norm_options)
        stack = f"Transformer{side.capitalize()}"
        target.modules[side] = _make(machine, stack, layer, bound[f"num_{side}_layers"], norm)

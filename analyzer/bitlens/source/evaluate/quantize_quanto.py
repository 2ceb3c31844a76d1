"""optimum-quanto: `quantize` and `freeze`."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens import schemes
from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.module_methods import walk
from bitlens.source.evaluate.quantize_layers import TORCH_CLASSES, argument, facts, model_argument, rename
from bitlens.source.evaluate.tensors import Quantized, stored_bytes
from bitlens.source.evaluate.values import ClassValue, Instance, ModuleInstance, Tensor

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

QTYPES = ("qint2", "qint4", "qint8", "qfloat8", "qfloat8_e4m3fn", "qfloat8_e5m2", "qfloat8_e4m3fnuz")


def quanto_functions(machine: Machine) -> dict[str, Any]:
    """The names of `optimum.quanto`."""
    kind = ClassValue("qtype", [], {})
    table: dict[str, Any] = {}
    for name in QTYPES:
        table[name] = Instance(kind)
        table[name].attrs["name"] = "qfloat8_e4m3fn" if name == "qfloat8" else name

    def quantize(args: list[Any], kwargs: dict[str, Any]) -> None:
        root = model_argument(args, kwargs)
        if root is None:
            return
        weights, activations = (
            argument(args, kwargs, 1, "weights"),
            argument(args, kwargs, 2, "activations"),
        )
        include, exclude = argument(args, kwargs, 4, "include"), argument(args, kwargs, 5, "exclude")
        _quantize(machine, root, _qtype(weights), _qtype(activations), _matching(machine, include, exclude))

    def freeze(args: list[Any], kwargs: dict[str, Any]) -> None:
        root = model_argument(args, kwargs)
        if root is not None:
            freeze_quanto(machine, root)

    return {**table, "quantize": Native("quantize", quantize), "freeze": Native("freeze", freeze)}


def _qtype(value: Any) -> str | None:
    """The name of a format; empty where it is not known, None for none."""
    if value is None:
        return None
    name = value.attrs.get("name") if isinstance(value, Instance) else value
    return name if isinstance(name, str) else ""


def _matching(machine: Machine, include: Any, exclude: Any) -> Callable[[str], bool]:
    def patterns(value: Any) -> list[str]:
        return (
            [value]
            if isinstance(value, str)
            else [item for item in machine.iterate(value) if isinstance(item, str)]
        )

    def matches(path: str) -> bool:
        if include is not None and not any(fnmatch.fnmatch(path, one) for one in patterns(include)):
            return False
        return exclude is None or not any(fnmatch.fnmatch(path, one) for one in patterns(exclude))

    return matches


def _quantize(
    machine: Machine,
    root: ModuleInstance,
    weights: str | None,
    activations: str | None,
    matches: Callable[[str], bool],
) -> None:
    """Put quanto's classes in place; the weights stay as they are until they are frozen."""
    norm = machine.torch_classes["LayerNorm"]
    for path, module in list(walk(root)):
        layer = facts(machine, path, module) if matches(path) and "qtype" not in module.attrs else None
        if layer is None or not path:
            continue
        if norm in module.cls.mro and activations is not None:
            replace_by_quanto(machine, module, "QLayerNorm", None)
        elif layer.is_a(TORCH_CLASSES["Linear"]):
            replace_by_quanto(machine, module, "QLinear", weights)
        elif layer.is_a("torch.nn.modules.conv.Conv2d"):
            replace_by_quanto(machine, module, "QConv2d", weights)


def replace_by_quanto(machine: Machine, module: ModuleInstance, name: str, weights: str | None) -> None:
    """Put one of quanto's classes in the place of a module's, its weights not yet frozen."""
    rename(module, name)
    module.attrs["qtype"] = weights
    weight = module.params.get("weight")
    dtype = weight.dtype if isinstance(weight, Tensor) else machine.default_dtype
    for scale in ("input_scale", "output_scale"):
        module.buffers[scale] = Tensor((), dtype)


def freeze_quanto(machine: Machine, root: ModuleInstance) -> None:
    """Replace the weights of quanto's modules by quantized ones."""
    for _, module in list(walk(root)):
        name = module.attrs.get("qtype")
        weight = module.params.get("weight")
        if not isinstance(name, str) or not isinstance(weight, Tensor) or isinstance(weight, Quantized):
            continue
        scheme_id = f"quanto.{'qfloat8' if name == 'qfloat8_e4m3fn' else name}"
        known = scheme_id in schemes.all_ids() and stored_bytes(weight) is not None
        size = schemes.get(scheme_id).stored_bytes(weight.shape or (), weight.dtype.name) if known else None
        module.params["weight"] = Quantized(weight.shape, name or "?", size, weight.is_parameter)

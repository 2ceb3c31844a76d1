"""torchao: `quantize_` with its configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.quantize_layers import Chosen, argument, convert, is_linear, model_argument
from bitlens.source.evaluate.values import ClassValue, DType, Instance, ModuleInstance

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_TORCHAO = {
    "Int8WeightOnlyConfig": ("torchao.int8_weight_only", "Int8Tensor"),
    "Int8DynamicActivationInt8WeightConfig": ("torchao.int8_dynamic", "Int8Tensor"),
    "Float8WeightOnlyConfig": ("torchao.float8_weight_only", "Float8Tensor"),
    "IntxWeightOnlyConfig": ("torchao.intx4_g32", "IntxUnpackedToInt8Tensor"),
    "Int4WeightOnlyConfig": ("torchao.int4_weight_only", "Int4Tensor"),
}
"""Configuration to scheme, and the class of the tensors that it makes."""
_PLAIN: dict[str, dict[str, Any]] = {
    "torchao.intx4_g32": {"weight_dtype": "int4", "granularity": 32},
    "torchao.int4_weight_only": {"group_size": 128},
}
"""What has to be given for the storage that the scheme describes; without an entry, nothing."""


def torchao_functions(machine: Machine) -> dict[str, Any]:
    """The names of `torchao.quantization`."""

    def quantize(args: list[Any], kwargs: dict[str, Any]) -> None:
        root, config = model_argument(args, kwargs), argument(args, kwargs, 1, "config")
        chooser = argument(args, kwargs, 2, "filter_fn")
        if root is not None:
            quantize_torchao(machine, root, config, _filter(machine, chooser))

    configurations = {name: configuration_class(name) for name in _TORCHAO}
    return {**granularities(), **configurations, "quantize_": Native("quantize_", quantize)}


def granularities() -> dict[str, Any]:
    """The classes that say which weights share a scale."""
    return {name: configuration_class(name) for name in ("PerGroup", "PerRow", "PerTensor", "PerAxis")}


def configuration_class(name: str) -> ClassValue:
    """A class that keeps what it is called with."""

    def init(args: list[Any], kwargs: dict[str, Any]) -> None:
        args[0].attrs.update(given=tuple(args[1:]), **kwargs)

    return ClassValue(name, [], {"__init__": Native("__init__", init, method=True)})


def _filter(machine: Machine, chooser: Any) -> Chosen:
    def chosen(path: str, module: ModuleInstance) -> bool:
        if chooser is None:
            return True
        return is_linear(machine, module) and machine.truth(machine.call(chooser, [module, path], {})) is True

    return chosen


def quantize_torchao(
    machine: Machine,
    root: ModuleInstance,
    config: Any,
    chosen: Chosen,
    kept: Callable[[str], str | None] = lambda path: None,
) -> None:
    """`quantize_`, with a configuration that is known or not."""
    name = config.cls.name if isinstance(config, Instance) else ""
    scheme, tensor = _TORCHAO.get(name, ("torchao.int8_weight_only", "?"))
    exact = isinstance(config, Instance) and name in _TORCHAO and _is_plain(config, scheme)
    for module in convert(machine, root, scheme, tensor, chosen, kept, exact):
        module.params["weight"].requires_grad = False


def _is_plain(config: Instance, scheme: str) -> bool:
    """Whether a configuration stores what the scheme says."""
    given = {
        key: _plain(value)
        for key, value in config.attrs.items()
        if key not in ("given", "version", "set_inductor_config")
    }
    return not config.attrs.get("given") and given == {**_PLAIN.get(scheme, {})}


def _plain(value: Any) -> Any:
    if isinstance(value, DType):
        return value.name
    if isinstance(value, Instance) and value.cls.name == "PerGroup":
        return next(iter([*value.attrs.get("given", ()), value.attrs.get("group_size")]), None)
    return value

"""What `weight_norm`, `spectral_norm` and `parametrize` make of a layer's weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.tensors import numel
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, ModuleInstance, Tensor

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Work = Callable[["Machine", ModuleInstance, str, Any], None]


def _tool(machine: Machine, name: str, work: Work, default: Any) -> Native:
    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        target = args[0] if args else kwargs.get("module")
        which = kwargs.get("name", args[1] if len(args) > 1 else "weight")
        keyword = "use_trivialization" if name == "orthogonal" else "dim"
        option = kwargs.get(keyword, args[2] if len(args) > 2 and name == "weight_norm" else default)
        if isinstance(target, ModuleInstance) and isinstance(target.params.get(which), Tensor):
            machine.inside_torch += 1
            try:
                work(machine, target, which, option)
            finally:
                machine.inside_torch -= 1
        return target

    return Native(name, run)


def weight_hooks(machine: Machine) -> dict[str, Any]:
    """`torch.nn.utils.weight_norm`, `spectral_norm` and their removal."""

    def remove(args: list[Any], kwargs: dict[str, Any]) -> Any:
        target = args[0] if args else kwargs.get("module", UNKNOWN)
        which = kwargs.get("name", args[1] if len(args) > 1 else "weight")
        if isinstance(target, ModuleInstance):
            _remove_norm(target, which)
        return target

    return {
        "weight_norm": _tool(machine, "weight_norm", _weight_norm, 0),
        "spectral_norm": _tool(machine, "spectral_norm", _spectral_norm, None),
        "remove_weight_norm": Native("remove_weight_norm", remove),
        "remove_spectral_norm": Native("remove_spectral_norm", remove),
    }


def parametrizations(machine: Machine) -> dict[str, Any]:
    """`torch.nn.utils.parametrizations`."""
    return {
        "weight_norm": _tool(machine, "weight_norm", _norm_parametrization, 0),
        "spectral_norm": _tool(machine, "spectral_norm", _spectral_parametrization, None),
        "orthogonal": _tool(machine, "orthogonal", _orthogonal_parametrization, True),
    }


def parametrize(machine: Machine) -> dict[str, Any]:
    """`torch.nn.utils.parametrize`."""

    def register(args: list[Any], kwargs: dict[str, Any]) -> Any:
        target, name, part = args[0], args[1], args[2] if len(args) > 2 else kwargs.get("parametrization")
        if isinstance(target, ModuleInstance) and isinstance(target.params.get(name), Tensor):
            weight = target.params.pop(name)
            _parametrized(machine, target, name, {"original": weight}, part)
        return target

    return {"register_parametrization": Native("register_parametrization", register)}


def _norm_shape(weight: Tensor, axis: Any) -> tuple[Any, ...] | None:
    """The shape of a norm over all axes but one; -1 and None: over all."""
    if weight.shape is None:
        return None
    if axis in (None, -1):
        return ()
    return tuple(size if index == axis % len(weight.shape) else 1 for index, size in enumerate(weight.shape))


def _weight_norm(machine: Machine, target: ModuleInstance, name: str, axis: Any) -> None:
    weight = target.params.pop(name)
    target.params[f"{name}_g"] = Tensor(_norm_shape(weight, axis), weight.dtype, is_parameter=True)
    target.params[f"{name}_v"] = Tensor(weight.shape, weight.dtype, is_parameter=True)
    target.attrs[name] = weight


def _spectral_vectors(target: ModuleInstance, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The two vectors of the power iteration, for the weight seen as a matrix."""
    axis = 1 if target.cls.name.startswith("ConvTranspose") else 0
    shape = weight.shape
    rows = None if not shape else shape[axis]
    columns = None if not shape else numel(tuple(size for index, size in enumerate(shape) if index != axis))
    return Tensor((rows,), weight.dtype), Tensor((columns,), weight.dtype)


def _spectral_norm(machine: Machine, target: ModuleInstance, name: str, axis: Any) -> None:
    weight = target.params.pop(name)
    target.params[f"{name}_orig"] = weight
    target.attrs[name] = weight
    target.buffers[f"{name}_u"], target.buffers[f"{name}_v"] = _spectral_vectors(target, weight)


def _remove_norm(target: ModuleInstance, name: str) -> None:
    """The weight as it was before `weight_norm` or `spectral_norm`."""
    weight = target.attrs.get(name)
    if not isinstance(weight, Tensor) or name in target.params:
        return
    for own in (f"{name}_g", f"{name}_v", f"{name}_orig"):
        target.params.pop(own, None)
    for own in (f"{name}_u", f"{name}_v"):
        target.buffers.pop(own, None)
    target.params[name] = target.attrs.pop(name)


def _norm_parametrization(machine: Machine, target: ModuleInstance, name: str, axis: Any) -> None:
    weight = target.params.pop(name)
    parts = {
        "original0": Tensor(_norm_shape(weight, axis), weight.dtype, is_parameter=True),
        "original1": Tensor(weight.shape, weight.dtype, is_parameter=True),
    }
    target.attrs[name] = weight
    _parametrized(machine, target, name, parts, _part(machine, "_WeightNorm"))


def _spectral_parametrization(machine: Machine, target: ModuleInstance, name: str, axis: Any) -> None:
    weight = target.params.pop(name)
    target.attrs[name] = weight
    part = _part(machine, "_SpectralNorm")
    if weight.shape is not None and len(weight.shape) > 1:
        part.buffers["_u"], part.buffers["_v"] = _spectral_vectors(target, weight)
    _parametrized(machine, target, name, {"original": weight}, part)


def _orthogonal_parametrization(machine: Machine, target: ModuleInstance, name: str, based: Any) -> None:
    weight = target.params.pop(name)
    target.attrs[name] = weight
    part = _part(machine, "_Orthogonal")
    if based is not False and weight.shape is not None and len(weight.shape) > 1:
        sizes = weight.shape[-2:]
        longer = max(sizes) if all(isinstance(size, int) for size in sizes) else UNKNOWN
        part.buffers["base"] = Tensor((*weight.shape[:-2], longer, longer), weight.dtype)
    _parametrized(machine, target, name, {"original": weight}, part)


def _part(machine: Machine, name: str) -> ModuleInstance:
    made: ModuleInstance = machine.classes.new_module(ClassValue(name, [machine.torch_classes["Module"]], {}))
    return made


def _parametrized(
    machine: Machine, target: ModuleInstance, name: str, parts: dict[str, Tensor], part: Any
) -> None:
    """`module.parametrizations.NAME` with the original tensors and the parametrization."""
    machine.inside_torch += 1
    try:
        table = target.modules.get("parametrizations")
        if not isinstance(table, ModuleInstance):
            table = machine.classes.new_module(machine.torch_classes["ModuleDict"])
            target.modules["parametrizations"] = table
        listed = table.modules.get(name)
        if not isinstance(listed, ModuleInstance):
            parametrization_list = ClassValue(
                "ParametrizationList", [machine.torch_classes["ModuleList"]], {}
            )
            listed = machine.classes.new_module(parametrization_list)
            table.modules[name] = listed
    finally:
        machine.inside_torch -= 1
    listed.params.update(parts)
    listed.modules[str(len(listed.modules))] = part
    if not target.cls.name.startswith("Parametrized"):
        target.cls = ClassValue(f"Parametrized{target.cls.name}", [target.cls], {})

"""torch.ao: `quantize_dynamic`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.module_methods import copied
from bitlens.source.evaluate.quantize_layers import argument, convert, model_argument
from bitlens.source.evaluate.tensors import Quantized
from bitlens.source.evaluate.values import ClassValue, DType, ModuleInstance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_DYNAMIC = ("Linear", "LSTM", "GRU", "LSTMCell", "RNNCell", "GRUCell")


def torch_ao_functions(machine: Machine) -> dict[str, Any]:
    """The names of `torch.ao.quantization`."""

    def dynamic(args: list[Any], kwargs: dict[str, Any]) -> Any:
        root, spec = model_argument(args, kwargs), argument(args, kwargs, 1, "qconfig_spec")
        dtype = kwargs.get("dtype", args[2] if len(args) > 2 else qint8)
        inplace = kwargs.get("inplace", args[4] if len(args) > 4 else False)
        if root is None or dtype is not qint8 or isinstance(spec, Unknown):
            return Unknown("what quantize_dynamic gives in another format than qint8")
        model = root if inplace is True else copied(root, {})
        _dynamic(machine, model, spec)
        return model

    qint8 = machine.imports.modules["torch"].vars.setdefault("qint8", DType("qint8", 0, "quantized"))
    return {"quantize_dynamic": Native("quantize_dynamic", dynamic)}


def _dynamic(machine: Machine, model: ModuleInstance, spec: Any) -> None:
    keys = list(machine.iterate(spec)) if spec is not None else list(_DYNAMIC)
    names = [key.name if isinstance(key, ClassValue) else key for key in keys]
    every = {machine.torch_classes[name] for name in _DYNAMIC}

    def chosen(path: str, module: ModuleInstance) -> bool:
        below = any(path == name or path.startswith(f"{name}.") for name in names)
        return module.cls in every and (below or module.cls.name in names)

    for module in convert(machine, model, "torch_ao.dynamic_int8", "qint8", chosen):
        for value in module.params.values():
            if isinstance(value, Quantized):
                value.requires_grad = False
        _packed(machine, module)


def _packed(machine: Machine, module: ModuleInstance) -> None:
    """The submodules in which torch.ao keeps weights, which it makes for the module's own line."""
    if module.cls.name == "Linear":
        module.modules["_packed_params"] = _inner(machine, "LinearPackedParams", module)
    elif module.cls.name in ("LSTM", "GRU"):
        listed = module.modules["_all_weight_values"] = _inner(machine, "ModuleList", module)
        for index in range(sum(name.startswith("weight_ih") for name in module.params)):
            listed.modules[str(index)] = _inner(machine, "PackedParameter", module)


def _inner(machine: Machine, name: str, module: ModuleInstance) -> ModuleInstance:
    cls = ClassValue(name, [machine.torch_classes["Module"]], {})
    made = ModuleInstance(cls, module.site, module.doubt, True)
    made.repeats = module.repeats
    return made

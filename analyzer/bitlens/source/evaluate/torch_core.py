"""The `torch` package: its constants and the namespaces below it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.forwards import autograd_function
from bitlens.source.evaluate.functional import functional
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.passing import passing
from bitlens.source.evaluate.tensors import DTYPES
from bitlens.source.evaluate.torch_factories import FACTORIES, LEGACY, legacy
from bitlens.source.evaluate.torch_functions import FUNCTIONS
from bitlens.source.evaluate.torch_nn import nn_classes
from bitlens.source.evaluate.torch_weights import parametrizations, parametrize, weight_hooks
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, DType, Instance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def install_torch(machine: Machine) -> None:
    """Register `torch` and its submodules."""
    machine.dtypes = DTYPES
    machine.default_dtype = DTYPES["float32"]
    classes = nn_classes(machine)
    machine.torch_classes = classes
    modules = machine.imports.modules
    top = _namespace(machine, "torch", {**DTYPES, **_functions(machine), **_constants(machine)})
    nn = _namespace(machine, "torch.nn", dict(classes))
    top.vars["nn"] = nn
    nn.vars["init"] = _namespace(machine, "torch.nn.init", {}, _initializer)
    nn.vars["parameter"] = _namespace(machine, "torch.nn.parameter", _pick(classes, "Parameter", "Buffer"))
    nn.vars["modules"] = _namespace(machine, "torch.nn.modules", dict(classes))
    nn.vars["functional"] = _namespace(machine, "torch.nn.functional", {}, functional)
    nn.vars["quantized"] = nn.vars["modules"]
    for part in (
        "module",
        "conv",
        "linear",
        "batchnorm",
        "activation",
        "container",
        "utils",
        "normalization",
    ):
        extra = {
            "_pair": Native("_pair", _ntuple(2)),
            "_triple": Native("_triple", _ntuple(3)),
            "_single": Native("_single", _ntuple(1)),
        }
        extra["_ntuple"] = Native("_ntuple", lambda args, kwargs: Native("parse", _ntuple(args[0])))
        nn.vars["modules"].vars[part] = _namespace(machine, f"torch.nn.modules.{part}", {**classes, **extra})
    nn.vars["utils"] = utils = _namespace(machine, "torch.nn.utils", weight_hooks(machine))
    utils.vars["parametrizations"] = _namespace(
        machine, "torch.nn.utils.parametrizations", parametrizations(machine)
    )
    utils.vars["parametrize"] = _namespace(machine, "torch.nn.utils.parametrize", parametrize(machine))
    top.vars["autograd"] = _namespace(machine, "torch.autograd", {"Function": autograd_function(machine)})
    top.vars["autograd"].vars["function"] = _namespace(
        machine, "torch.autograd.function", dict(top.vars["autograd"].vars)
    )
    norms = dict.fromkeys(("norm", "vector_norm"), top.vars["norm"])
    top.vars["linalg"] = _namespace(machine, "torch.linalg", norms)
    top.vars["jit"] = _namespace(machine, "torch.jit", _jit(classes["Module"]))
    top.vars["Tensor"] = _tensor_class("Tensor")
    top.vars["Tensor"].ns["__new__"] = Native(
        "Tensor", lambda args, kwargs: legacy(machine, args[1:], kwargs)
    )
    for name, kind in LEGACY.items():
        top.vars[name] = Native(name, functools.partial(legacy, machine, dtype=DTYPES[kind]))
    assert modules["torch"] is top


def _jit(module: ClassValue) -> dict[str, Any]:
    """`torch.jit`, while a model is built: scripting changes no layer."""
    identity = Native("identity", lambda args, kwargs: args[0] if args else identity)
    no = Native("is_scripting", lambda args, kwargs: False)
    same = ("script", "script_method", "ignore", "unused", "export", "script_if_tracing", "interface")
    return {
        **dict.fromkeys(same, identity),
        **dict.fromkeys(("is_scripting", "is_tracing"), no),
        "ScriptModule": ClassValue("ScriptModule", [module], {}),
    }


def _pick(classes: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: classes[name] for name in names}


def _namespace(
    machine: Machine, name: str, values: dict[str, Any], fallback: Callable[[str], Any] | None = None
) -> Namespace:
    made = Namespace(name, None, values)
    made.attributes["__file__"] = f"{name}.py"
    made.fallback = fallback or (lambda member: Unknown(f"{name}.{member}"))
    machine.imports.modules[name] = made
    return made


def _initializer(name: str) -> Any:
    """`nn.init.…_`: gives back the tensor that it fills."""
    return Native(name, lambda args, kwargs: args[0] if args else UNKNOWN)


def _ntuple(count: int) -> Callable[[list[Any], dict[str, Any]], Any]:
    def make(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return tuple(args[0]) if isinstance(args[0], list | tuple) else (args[0],) * count

    return make


def _tensor_class(name: str) -> ClassValue:
    cls = ClassValue(name, [], {})
    cls.traits.add("tensor")
    return cls


def _trait_class(name: str, trait: str) -> ClassValue:
    cls = ClassValue(name, [], {})
    cls.traits.add(trait)
    return cls


def _constants(machine: Machine) -> dict[str, Any]:
    return {
        "__version__": "2.13.0",
        "pi": math.pi,
        "inf": math.inf,
        "nan": math.nan,
        "e": math.e,
        "dtype": _trait_class("dtype", "dtype"),
        "Size": tuple,
        "device": Native("device", _device),
        "set_default_dtype": Native("set_default_dtype", lambda args, kwargs: _set_default(machine, args[0])),
        "get_default_dtype": Native("get_default_dtype", lambda args, kwargs: machine.default_dtype),
        "is_tensor": Native("is_tensor", lambda args, kwargs: isinstance(args[0], Tensor)),
        "is_floating_point": Native("is_floating_point", lambda args, kwargs: UNKNOWN),
        "compile": Native(
            "compile", lambda args, kwargs: args[0] if args else Native("compile", lambda a, k: a[0])
        ),
    } | {
        name: Native(name, _context)
        for name in ("no_grad", "inference_mode", "enable_grad", "set_grad_enabled")
    }


def _device(args: list[Any], kwargs: dict[str, Any]) -> Any:
    name = args[0] if args else kwargs.get("type", UNKNOWN)
    kind, _, index = name.partition(":") if isinstance(name, str) else (UNKNOWN, "", "")
    made = passing()
    made.attrs.update(
        type=kind, index=int(index) if index.isdecimal() else args[1] if len(args) > 1 else None
    )
    return name if isinstance(name, Instance) else made


def _context(args: list[Any], kwargs: dict[str, Any]) -> Any:
    return args[0] if args and not isinstance(args[0], bool) else passing()


def _set_default(machine: Machine, dtype: Any) -> None:
    if isinstance(dtype, DType):
        machine.default_dtype = dtype


def _functions(machine: Machine) -> dict[str, Any]:
    table = {**FACTORIES, **FUNCTIONS}
    return {name: Native(name, functools.partial(function, machine)) for name, function in table.items()}

"""The `torch` package: dtypes, tensor factories, and the namespaces below it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.tensors import DTYPES, SMALL, arange, broadcast, linspace, tensor_binary
from bitlens.source.evaluate.torch_nn import nn_classes
from bitlens.source.evaluate.torch_weights import parametrizations, parametrize, weight_hooks
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, DType, Instance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Factory = Callable[["Machine", list[Any], dict[str, Any]], Any]


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
    nn.vars["functional"] = _namespace(machine, "torch.nn.functional", {}, lambda name: _functional(name))
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
    top.vars["jit"] = _namespace(machine, "torch.jit", _jit(classes["Module"]))
    top.vars["Tensor"] = _tensor_class("Tensor")
    top.vars["Tensor"].ns["__new__"] = Native(
        "Tensor", lambda args, kwargs: _legacy(machine, args[1:], kwargs)
    )
    for name, kind in _LEGACY.items():
        top.vars[name] = Native(name, functools.partial(_legacy, machine, dtype=DTYPES[kind]))
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


def _functional(name: str) -> Any:
    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        first = args[0] if args else None
        same = name in (
            "relu",
            "gelu",
            "silu",
            "softmax",
            "dropout",
            "sigmoid",
            "tanh",
            "normalize",
            "layer_norm",
        )
        return (
            Tensor(first.shape, first.dtype) if same and isinstance(first, Tensor) else Unknown(f"F.{name}")
        )

    return Native(name, run)


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


class _Passing:
    """A decorator or context manager that changes nothing."""

    def __init__(self) -> None:
        self.cls = ClassValue("context", [], {})
        self.cls.ns["__call__"] = Native(
            "__call__", lambda args, kwargs: args[1] if len(args) > 1 else UNKNOWN, method=True
        )


def passing() -> Instance:
    """An object that works as context manager and as decorator and changes nothing."""
    return Instance(_Passing().cls)


def _constants(machine: Machine) -> dict[str, Any]:
    return {
        "__version__": "2.13.0",
        "pi": math.pi,
        "inf": math.inf,
        "nan": math.nan,
        "e": math.e,
        "dtype": _trait_class("dtype", "dtype"),
        "Size": tuple,
        "device": Native("device", lambda args, kwargs: passing()),
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


def _context(args: list[Any], kwargs: dict[str, Any]) -> Any:
    return args[0] if args and not isinstance(args[0], bool) else passing()


def _set_default(machine: Machine, dtype: Any) -> None:
    if isinstance(dtype, DType):
        machine.default_dtype = dtype


def _functions(machine: Machine) -> dict[str, Any]:
    return {name: Native(name, functools.partial(factory, machine)) for name, factory in _FACTORIES.items()}


def _sizes(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    given = kwargs.get("size", args[0] if len(args) == 1 else args)
    given = machine.host_value(given)
    if isinstance(given, list | tuple):
        return tuple(machine.host_value(size) for size in given)
    if isinstance(given, int):
        return (given,)
    return (given,) if isinstance(given, Unknown) and len(args) == 1 and hasattr(given, "terms") else None


def _dtype(machine: Machine, kwargs: dict[str, Any], default: Any = None) -> Any:
    dtype = kwargs.get("dtype")
    return dtype if isinstance(dtype, DType) else default or machine.default_dtype


def _filled(value: Any) -> Factory:
    def make(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
        sizes = [arg for arg in args if isinstance(machine.host_value(arg), int | list | tuple | Unknown)]
        shape = _sizes(machine, sizes, kwargs)
        values = None
        if value is not None and shape is not None and len(shape) <= 1:
            count = shape[0] if shape else 1
            if isinstance(count, int) and count <= SMALL:
                values = [value] * count if shape else value
        return Tensor(shape, _dtype(machine, kwargs), values)

    return make


def _full(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    fill = kwargs.get("fill_value", args[1] if len(args) > 1 else None)
    kind = DTYPES["bool"] if isinstance(fill, bool) else DTYPES["int64"] if isinstance(fill, int) else None
    return Tensor(_sizes(machine, args[:1], kwargs), _dtype(machine, kwargs, kind))


def _like(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    source = args[0]
    if not isinstance(source, Tensor):
        return UNKNOWN
    return Tensor(source.shape, _dtype(machine, kwargs, source.dtype))


def _tensor(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    data = machine.host_value(kwargs.get("data", args[0] if args else []))
    if isinstance(data, Tensor):
        return Tensor(data.shape, _dtype(machine, kwargs, data.dtype), data.values)
    if len(args) > 1 and all(isinstance(arg, int) for arg in args):
        return Tensor(tuple(args), _dtype(machine, kwargs))
    if isinstance(data, Unknown):
        return Tensor(None, _dtype(machine, kwargs))
    shape, leaf = _shape_of(data)
    kind = DTYPES["bool"] if isinstance(leaf, bool) else DTYPES["int64"] if isinstance(leaf, int) else None
    plain = not shape or (len(shape) == 1 and all(isinstance(item, int | float) for item in data))
    return Tensor(
        shape, _dtype(machine, kwargs, kind), data if plain and isinstance(data, list | int | float) else None
    )


_LEGACY = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "LongTensor": "int64",
    "IntTensor": "int32",
    "ByteTensor": "uint8",
    "BoolTensor": "bool",
}


def _legacy(machine: Machine, args: list[Any], kwargs: dict[str, Any], dtype: DType | None = None) -> Any:
    """`torch.Tensor(2, 3)`: sizes; `torch.Tensor([…])`: values."""
    kind = dtype or machine.default_dtype
    if args and all(isinstance(arg, int | Unknown) for arg in args):
        return Tensor(tuple(args), kind)
    made = _tensor(machine, args, {})
    return Tensor(made.shape, kind, made.values)


def _shape_of(data: Any) -> tuple[tuple[Any, ...] | None, Any]:
    shape: list[int] = []
    while isinstance(data, list | tuple):
        shape.append(len(data))
        if not data:
            return tuple(shape), 0.0
        data = data[0]
    if isinstance(data, Tensor):
        return (None if data.shape is None else (*shape, *data.shape)), 0.0
    return tuple(shape), data


def _linspace(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    start, stop, steps = (
        kwargs.get(name, args[index] if len(args) > index else None)
        for index, name in enumerate(("start", "end", "steps"))
    )
    values = linspace(start, stop, steps)
    return Tensor((steps,) if steps is not None else None, _dtype(machine, kwargs), values)


def _arange(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    start = args[0] if len(args) > 1 else kwargs.get("start", 0)
    stop = args[1] if len(args) > 1 else kwargs.get("end", args[0] if args else 0)
    step = args[2] if len(args) > 2 else kwargs.get("step", 1)
    length, values = arange(start, stop, step)
    if isinstance(length, Unknown) and isinstance(stop, Unknown) and start == 0 and step == 1:
        length = stop
    floating = any(isinstance(value, float) for value in (start, stop, step))
    return Tensor((length,), _dtype(machine, kwargs, None if floating else DTYPES["int64"]), values)


def _cat(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    parts = list(machine.iterate(args[0] if args else kwargs.get("tensors", [])))
    axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if (
        not parts
        or not all(isinstance(part, Tensor) and part.shape for part in parts)
        or not isinstance(axis, int)
    ):
        return Tensor(None, machine.default_dtype)
    shape = list(parts[0].shape)
    total: Any = 0
    add = machine.binary(__import__("ast").Add)
    for part in parts:
        total = add(total, part.shape[axis])
    shape[axis] = total
    lists = [part.values for part in parts]
    values = (
        [x for part in lists for x in part]
        if len(shape) == 1 and all(isinstance(x, list) for x in lists)
        else None
    )
    return Tensor(tuple(shape), parts[0].dtype, values)


def _stack(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    parts = list(machine.iterate(args[0]))
    axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if not parts or not isinstance(parts[0], Tensor) or parts[0].shape is None or not isinstance(axis, int):
        return Tensor(None, machine.default_dtype)
    shape = list(parts[0].shape)
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, len(parts))
    return Tensor(tuple(shape), parts[0].dtype)


def _elementwise(name: str) -> Factory:
    function = {"abs": abs, "round": round}.get(name) or getattr(math, name, None)

    def run(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
        first = args[0] if args else kwargs.get("input")
        if not isinstance(first, Tensor):
            return UNKNOWN
        shape = first.shape
        for other in args[1:]:
            if isinstance(other, Tensor):
                shape = broadcast(shape, other.shape)
        values = _computed(function, first.values) if len(args) == 1 else None
        return Tensor(shape, first.dtype, values)

    return run


def _arithmetic(operation: str) -> Factory:
    def run(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if len(args) < 2 or not any(isinstance(arg, Tensor) for arg in args[:2]):
            return UNKNOWN
        made = tensor_binary(operation, args[0], args[1])
        if isinstance(made, Tensor) and kwargs.get("rounding_mode") is not None:
            made.values = _computed(math.floor if kwargs["rounding_mode"] == "floor" else int, made.values)
        return made

    return run


def _unique(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    values = args[0].values if args and isinstance(args[0], Tensor) else None
    counted = kwargs.get("return_counts") is True
    if not isinstance(values, list) or (kwargs and not counted):
        return UNKNOWN if kwargs else Tensor(None, machine.default_dtype)
    found = sorted(set(values))
    made = Tensor((len(found),), args[0].dtype, found)
    if not counted:
        return made
    return made, Tensor((len(found),), DTYPES["int64"], [values.count(value) for value in found])


def _diff(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    values = args[0].values if args and isinstance(args[0], Tensor) else None
    if not isinstance(values, list):
        return Tensor(None, machine.default_dtype)
    found = [b - a for a, b in itertools.pairwise(values)]
    return Tensor((len(found),), args[0].dtype, found)


def _computed(function: Any, values: Any) -> Any:
    if function is None or values is None:
        return None
    try:
        return [function(value) for value in values] if isinstance(values, list) else function(values)
    except (ArithmeticError, ValueError, TypeError):
        return None


def _normal(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    size = kwargs.get("size", args[2] if len(args) > 2 else None)
    if size is None:
        shapes = [arg.shape for arg in args if isinstance(arg, Tensor)]
        return Tensor(shapes[0] if shapes else None, machine.default_dtype)
    return Tensor(_sizes(machine, [size], {}), _dtype(machine, kwargs))


def _randint(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    size = kwargs.get("size", next((arg for arg in args if isinstance(arg, list | tuple)), None))
    return Tensor(
        None if size is None else _sizes(machine, [size], {}), _dtype(machine, kwargs, DTYPES["int64"])
    )


def _randperm(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    return Tensor((args[0],), _dtype(machine, kwargs, DTYPES["int64"]))


def _method_function(name: str) -> Factory:
    def run(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if args and isinstance(args[0], Tensor):
            return machine.call_method(args[0], name, args[1:], kwargs)
        return UNKNOWN

    return run


def _outer(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if all(isinstance(arg, Tensor) and arg.shape and len(arg.shape) == 1 for arg in args[:2]):
        return Tensor((args[0].shape[0], args[1].shape[0]), args[0].dtype)
    return Tensor(None, machine.default_dtype)


def _eye(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    sizes = [arg for arg in args if isinstance(arg, int | Unknown)]
    return Tensor(tuple(sizes * 2 if len(sizes) == 1 else sizes), _dtype(machine, kwargs))


def _where(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    if not tensors:
        return UNKNOWN
    shape = tensors[0].shape
    for tensor in tensors[1:]:
        shape = broadcast(shape, tensor.shape)
    return Tensor(shape, tensors[-1].dtype)


def _as_real(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`view_as_real`: a last dimension of two."""
    first = args[0] if args else UNKNOWN
    if not isinstance(first, Tensor) or not isinstance(first.dtype, DType):
        return UNKNOWN
    kind = DTYPES["float64" if first.dtype.itemsize == 16 else "float32"]
    return Tensor(None if first.shape is None else (*first.shape, 2), kind)


_FACTORIES: dict[str, Factory] = {
    "view_as_real": _as_real,
    "empty": _filled(None),
    "zeros": _filled(0.0),
    "ones": _filled(1.0),
    "rand": _filled(None),
    "randn": _filled(None),
    "full": _full,
    "tensor": _tensor,
    "as_tensor": _tensor,
    "from_numpy": _tensor,
    "linspace": _linspace,
    "arange": _arange,
    "range": _arange,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "stack": _stack,
    "eye": _eye,
    "outer": _outer,
    "where": _where,
    **{f"{name}_like": _like for name in ("empty", "zeros", "ones", "rand", "randn", "full")},
    **{
        name: _elementwise(name)
        for name in [
            "exp",
            "log",
            "log2",
            "sqrt",
            "rsqrt",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sigmoid",
            "abs",
            "clamp",
            "floor",
            "ceil",
            "round",
            "maximum",
            "minimum",
            "expm1",
            "log1p",
            "triu",
            "tril",
            "softmax",
            "relu",
            "erf",
            "reciprocal",
            "logit",
            "nan_to_num",
            "flip",
            "cumsum",
            "polar",
        ]
    },
    **{
        name: _arithmetic(operation)
        for name, operation in {
            "pow": "pow",
            "mul": "mul",
            "multiply": "mul",
            "add": "add",
            "sub": "sub",
            "subtract": "sub",
            "div": "truediv",
            "divide": "truediv",
            "true_divide": "truediv",
            "floor_divide": "floordiv",
        }.items()
    },
    "unique": _unique,
    "diff": _diff,
    "normal": _normal,
    "randint": _randint,
    "randperm": _randperm,
    **{
        name: _method_function(name)
        for name in [
            "reshape",
            "transpose",
            "permute",
            "unsqueeze",
            "squeeze",
            "flatten",
            "sum",
            "mean",
            "split",
            "chunk",
            "numel",
        ]
    },
}


__all__ = ["MISSING", "install_torch", "passing"]

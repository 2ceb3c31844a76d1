"""Attributes and methods of tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.numpy_factories import kind_of
from bitlens.source.evaluate.tensor_shapes import METHODS as SHAPES
from bitlens.source.evaluate.tensors import DTYPES, SMALL, tensor_binary
from bitlens.source.evaluate.values import UNKNOWN, DType, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.attributes import Attributes

_SAME = frozenset(
    [
        "clone",
        "detach",
        "contiguous",
        "cpu",
        "cuda",
        "requires_grad_",
        "fill_",
        "zero_",
        "normal_",
        "uniform_",
        "copy_",
        "mul_",
        "add_",
        "sub_",
        "div_",
        "clamp",
        "clamp_",
        "clip",
        "abs",
        "exp",
        "log",
        "sqrt",
        "neg",
        "sin",
        "cos",
        "tanh",
        "sigmoid",
        "relu",
        "softmax",
        "triu",
        "tril",
        "roll",
        "erfinv_",
        "fill_diagonal_",
        "masked_fill",
        "masked_fill_",
        "sign",
        "log_",
        "exp_",
        "trunc_normal_",
        "xavier_uniform_",
        "type_as",
        "pin_memory",
    ]
)
_RESHAPING = frozenset(
    ["resize_", "resize_as_", "squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "swapdims_", "set_"]
)
"""Methods in place that change the shape."""
_CASTS = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "bool": "bool",
    "byte": "uint8",
}
_RANDOM = frozenset(["normal_", "uniform_", "erfinv_", "trunc_normal_", "xavier_uniform_", "copy_"])


def tensor_attribute(machine: Attributes, target: Tensor, name: str) -> Any:
    """An attribute of a tensor."""
    if name in target.attrs:
        return target.attrs[name]
    if name == "shape":
        return UNKNOWN if target.shape is None else tuple(target.shape)
    if name in ("dtype", "requires_grad"):
        return getattr(target, name) if name != "dtype" or target.dtype is not None else UNKNOWN
    if name == "data":
        return target
    if name in ("ndim", "T", "mT", "grad", "device", "is_meta", "is_cuda"):
        return _field(target, name)
    if name.startswith("__") and name != "__class__":
        raise machine.error("AttributeError", name)
    return Native(name, lambda args, kwargs: tensor_method(machine, target, name, args, kwargs))


def _field(target: Tensor, name: str) -> Any:
    if name == "ndim":
        return UNKNOWN if target.shape is None else len(target.shape)
    if name in ("T", "mT"):
        return Tensor(None if target.shape is None else tuple(reversed(target.shape)), target.dtype)
    return None if name == "grad" else (False if name.startswith("is_") else UNKNOWN)


def tensor_method(
    machine: Attributes, target: Tensor, name: str, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    """Call a method of a tensor; one that is not known gives a tensor of unknown shape."""
    if name in _SAME or (name.endswith("_") and name not in _RESHAPING):
        if name == "requires_grad_":
            machine.repetition.changed(target.number)
            target.requires_grad = not args or args[0] is not False
        elif name.endswith("_") and target.values is not None:
            machine.repetition.changed(target.number)
            target.values = None
        return target if name.endswith("_") else Tensor(target.shape, target.dtype, _kept(target, name))
    if name in _CASTS:
        integral = DTYPES[_CASTS[name]].kind == "int"
        return Tensor(
            target.shape, DTYPES[_CASTS[name]], _as_integers(target.values) if integral else target.values
        )
    handler = _METHODS.get(name)
    if handler is not None:
        return handler(machine, target, args, kwargs)
    return Tensor(None, target.dtype)


def _kept(target: Tensor, name: str) -> Any:
    return target.values if name in ("clone", "detach", "contiguous", "cpu") else None


def _to(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    dtype = kwargs.get("dtype", next((arg for arg in args if isinstance(arg, DType)), target.dtype))
    return Tensor(target.shape, dtype, target.values)


def _as_type(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    kind = kind_of(kwargs.get("dtype", args[0] if args else UNKNOWN))
    integral = kind is not None and kind.kind == "int"
    return Tensor(target.shape, kind, _as_integers(target.values) if integral else target.values)


def _item(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return target.values if isinstance(target.values, int | float) else Unknown("value of a tensor")


def _tolist(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if target.values is not None:
        return list(target.values) if isinstance(target.values, list) else target.values
    if (
        target.shape
        and len(target.shape) == 1
        and isinstance(target.shape[0], int)
        and target.shape[0] <= SMALL
    ):
        return [Unknown("value of a tensor") for _ in range(target.shape[0])]
    return Unknown("values of a tensor")


def _reduce(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    axis = kwargs.get("dim", args[0] if args else None)
    if axis is None:
        return Tensor((), target.dtype, sum(target.values) if isinstance(target.values, list) else None)
    axes = axis if isinstance(axis, list | tuple) else (axis,)
    if target.shape is None or not all(isinstance(one, int) for one in axes):
        return Tensor(None, target.dtype)
    gone = {one % len(target.shape) for one in axes}
    left = 1 if kwargs.get("keepdim", args[1] if len(args) > 1 else False) else None
    shape = [left if place in gone else size for place, size in enumerate(target.shape)]
    return Tensor(tuple(size for size in shape if size is not None), target.dtype)


def _reduced(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    made = _reduce(machine, target, args, kwargs)
    return Tensor(made.shape, made.dtype)


def _norm(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Its first argument is the order."""
    return _reduced(machine, target, args[1:], kwargs)


def _split(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    sizes, values = args[0], target.values
    if isinstance(values, list) and isinstance(sizes, int):
        sizes = [min(sizes, len(values) - start) for start in range(0, len(values), sizes)]
    if isinstance(values, list) and isinstance(sizes, list | tuple):
        result, at = [], 0
        for size in sizes:
            result.append(Tensor((size,), target.dtype, values[at : at + size]))
            at += size
        return tuple(result)
    axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    return _pieces(target, sizes, axis) or UNKNOWN


def _pieces(target: Tensor, sizes: Any, axis: Any) -> tuple[Tensor, ...]:
    """The parts of a tensor along an axis; none where they are not known."""
    shape, at = target.shape, _place(target, axis)
    if not shape or at is None:
        return ()
    whole = shape[at]
    if type(sizes) is int and type(whole) is int and sizes > 0 and whole <= sizes * SMALL:
        sizes = [min(sizes, whole - start) for start in range(0, whole, sizes)]
    if not isinstance(sizes, list | tuple):
        return ()
    return tuple(Tensor((*shape[:at], size, *shape[at + 1 :]), target.dtype) for size in sizes)


def _place(target: Tensor, axis: Any) -> int | None:
    """The axis counted from the first one; None where it is not known or there is no such one."""
    rank = len(target.shape or ())
    return axis % rank if type(axis) is int and -rank <= axis < rank else None


def _chunk(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    count = args[0] if args else kwargs.get("chunks")
    axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if type(count) is not int or not 0 < count <= SMALL:
        return UNKNOWN
    at = _place(target, axis)
    whole = target.shape[at] if target.shape and at is not None else None
    pieces = _pieces(target, -(-whole // count), axis) if type(whole) is int and whole else ()
    return pieces or tuple(Tensor(None, target.dtype) for _ in range(count))


def _extreme(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def run(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if args or kwargs or not isinstance(target.values, list) or not target.values:
            return _reduced(machine, target, args, kwargs)
        return Tensor((), target.dtype, function(target.values))

    return run


def _rounding(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def run(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
        values = target.values
        if isinstance(values, list):
            values = [function(value) for value in values]
        elif values is not None:
            values = function(values)
        return Tensor(target.shape, target.dtype, values)

    return run


def _cumsum(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    values = list(itertools.accumulate(target.values)) if isinstance(target.values, list) else None
    return Tensor(target.shape, target.dtype, values)


def _arithmetic(name: str) -> Callable[..., Any]:
    return lambda machine, target, args, kwargs: tensor_binary(name, target, args[0])


_METHODS: dict[str, Callable[[Any, Tensor, list[Any], dict[str, Any]], Any]] = {
    **SHAPES,
    "to": _to,
    "astype": _as_type,
    "type": _to,
    "item": _item,
    "tolist": _tolist,
    "numpy": lambda machine, target, args, kwargs: target,
    "element_size": lambda machine, target, args, kwargs: target.dtype.itemsize if target.dtype else UNKNOWN,
    "sum": _reduce,
    **dict.fromkeys(
        [
            "mean",
            "std",
            "var",
            "amax",
            "amin",
            "median",
            "all",
            "any",
            "argmax",
            "argmin",
            "logsumexp",
        ],
        _reduced,
    ),
    "norm": _norm,
    "max": _extreme(max),
    "min": _extreme(min),
    "prod": _extreme(math.prod),
    "cumsum": _cumsum,
    "flip": lambda machine, target, args, kwargs: Tensor(
        target.shape, target.dtype, target.values[::-1] if isinstance(target.values, list) else None
    ),
    "ceil": _rounding(math.ceil),
    "floor": _rounding(math.floor),
    "round": _rounding(round),
    "pow": _arithmetic("pow"),
    "split": _split,
    "chunk": _chunk,
    "add": _arithmetic("add"),
    "sub": _arithmetic("sub"),
    "mul": _arithmetic("mul"),
    "div": _arithmetic("truediv"),
    "is_floating_point": lambda machine, target, args, kwargs: (
        target.dtype is not None and target.dtype.kind == "float"
    ),
}


def _as_integers(values: Any) -> Any:
    if isinstance(values, list):
        return [int(value) for value in values]
    return None if values is None else int(values)

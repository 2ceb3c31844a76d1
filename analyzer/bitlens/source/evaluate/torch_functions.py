"""The functions of `torch` on tensors."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.tensors import DTYPES, broadcast, tensor_binary
from bitlens.source.evaluate.torch_factories import Factory
from bitlens.source.evaluate.values import UNKNOWN, DType, Tensor

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


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


FUNCTIONS: dict[str, Factory] = {
    "view_as_real": _as_real,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "stack": _stack,
    "outer": _outer,
    "where": _where,
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
            "norm",
            "numel",
        ]
    },
}

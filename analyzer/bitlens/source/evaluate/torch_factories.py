"""The functions of `torch` that make tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.tensors import ARRAY_INTEGERS, DTYPES, SMALL, arange, linspace
from bitlens.source.evaluate.values import UNKNOWN, DType, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Factory = Callable[["Machine", list[Any], dict[str, Any]], Any]


def _sizes(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    given = kwargs.get("size", args[0] if len(args) == 1 else args)
    given = machine.host_value(given)
    if isinstance(given, list | tuple):
        return tuple(machine.host_value(size) for size in given)
    if isinstance(given, int):
        return (given,)
    return (given,) if isinstance(given, Unknown) and len(args) == 1 and hasattr(given, "terms") else None


NUMPY_TYPES = {float: DTYPES["float64"], int: DTYPES["int64"], bool: DTYPES["bool"]}
"""Python's types, where they stand for a dtype."""


def _dtype(machine: Machine, kwargs: dict[str, Any], default: Any = None) -> Any:
    dtype = kwargs.get("dtype")
    dtype = NUMPY_TYPES.get(dtype, dtype) if isinstance(dtype, type) else dtype
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
        kept = DTYPES["int64"] if data.dtype is ARRAY_INTEGERS else data.dtype
        return Tensor(data.shape, _dtype(machine, kwargs, kept), data.values)
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


LEGACY = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "LongTensor": "int64",
    "IntTensor": "int32",
    "ByteTensor": "uint8",
    "BoolTensor": "bool",
}


def legacy(machine: Machine, args: list[Any], kwargs: dict[str, Any], dtype: DType | None = None) -> Any:
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


def _eye(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    sizes = [arg for arg in args if isinstance(arg, int | Unknown)]
    return Tensor(tuple(sizes * 2 if len(sizes) == 1 else sizes), _dtype(machine, kwargs))


FACTORIES: dict[str, Factory] = {
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
    "eye": _eye,
    **{f"{name}_like": _like for name in ("empty", "zeros", "ones", "rand", "randn", "full")},
    "normal": _normal,
    "randint": _randint,
    "randperm": _randperm,
}

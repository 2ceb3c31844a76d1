"""Tensors by shape: broadcasting, indexing, and the values of small ones."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.values import UNKNOWN, DType, Tensor, Unknown

DTYPES = {
    name: DType(name, size, kind)
    for name, size, kind in [
        ("float32", 4, "float"),
        ("float64", 8, "float"),
        ("float16", 2, "float"),
        ("bfloat16", 2, "float"),
        ("float8_e4m3fn", 1, "float"),
        ("float8_e5m2", 1, "float"),
        ("float8_e4m3fnuz", 1, "float"),
        ("float8_e5m2fnuz", 1, "float"),
        ("float8_e8m0fnu", 1, "float"),
        ("int64", 8, "int"),
        ("int32", 4, "int"),
        ("int16", 2, "int"),
        ("int8", 1, "int"),
        ("uint8", 1, "int"),
        ("uint16", 2, "int"),
        ("uint32", 4, "int"),
        ("uint64", 8, "int"),
        ("bool", 1, "bool"),
        ("complex64", 8, "complex"),
        ("complex128", 16, "complex"),
    ]
}
DTYPES.update(
    float=DTYPES["float32"],
    double=DTYPES["float64"],
    half=DTYPES["float16"],
    long=DTYPES["int64"],
    int=DTYPES["int32"],
    short=DTYPES["int16"],
    cfloat=DTYPES["complex64"],
    cdouble=DTYPES["complex128"],
)
ARRAY_INTEGERS = DType("int64", 8, "int")
"""int64 in numpy, whose quotients and roots are float64."""
SMALL = 4096
"""Elements of a tensor whose values are kept."""
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
}


def numel(shape: tuple[Any, ...] | None) -> Any:
    """Product of the sizes; an Unknown where one is, None where the rank is not known."""
    if shape is None:
        return UNKNOWN
    total: Any = 1
    for size in shape:
        total = size * total if isinstance(size, int) and isinstance(total, int) else _times(total, size)
    return total


class Quantized(Tensor):
    """A tensor that a library stores in a format of its own; `dtype` carries the format's name.

    `stored` are its bytes, None where they are not known.
    """

    __slots__ = ("stored",)

    def __init__(
        self, shape: tuple[Any, ...] | None, name: str, stored: int | None, is_parameter: bool = True
    ) -> None:
        super().__init__(shape, DType(name, 0, "quantized"), is_parameter=is_parameter)
        self.stored = stored


def stored_bytes(value: Tensor) -> int | None:
    """Bytes that a tensor takes; None where its size or dtype is not known."""
    if isinstance(value, Quantized):
        return value.stored
    count = numel(value.shape)
    known = isinstance(count, int) and isinstance(value.dtype, DType)
    return count * value.dtype.itemsize if known else None


def _times(a: Any, b: Any) -> Any:
    from bitlens.source.evaluate.symbolic import combine

    return combine("mul", a, b)


def broadcast(a: tuple[Any, ...] | None, b: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """The shape of an elementwise operation on two shapes."""
    if a is None or b is None:
        return None
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    padded = (1,) * (len(longer) - len(shorter)) + tuple(shorter)
    return tuple(x if y == 1 else y for x, y in zip(longer, padded, strict=True))


def tensor_binary(name: str, left: Any, right: Any) -> Any:
    """`left op right` with a tensor on at least one side."""
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return UNKNOWN
    a = left if isinstance(left, Tensor) else Tensor((), None, left)
    b = right if isinstance(right, Tensor) else Tensor((), None, right)
    shape = broadcast(a.shape, b.shape)
    if name == "matmul":
        return Tensor(_product_shape(a.shape, b.shape), a.dtype or b.dtype)
    values = _elementwise(_OPERATORS.get(name), a, b)
    return Tensor(shape, _result_dtype(name, a, b), values)


def _product_shape(a: tuple[Any, ...] | None, b: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """The shape of `a @ b`."""
    if not a or not b:
        return None
    rows = a[-2:-1]
    columns = b[-1:] if len(b) > 1 else ()
    batch = broadcast(a[:-2], b[:-2])
    return None if batch is None else (*batch, *rows, *columns)


def elementwise(operation: Callable[[Any, Any], Any], left: Any, right: Any, name: str = "mul") -> Tensor:
    """The operation on the elements of tensors and numbers, one of them a tensor; its dtype is that of
    `name`."""
    a = left if isinstance(left, Tensor) else Tensor((), None, left)
    b = right if isinstance(right, Tensor) else Tensor((), None, right)
    return Tensor(broadcast(a.shape, b.shape), _result_dtype(name, a, b), _elementwise(operation, a, b))


def tensor_compare(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """A comparison with a tensor: one truth value where both sides are numbers, else a tensor of them."""
    if not isinstance(left, Tensor | int | float) or not isinstance(right, Tensor | int | float):
        return UNKNOWN
    a = left if isinstance(left, Tensor) else Tensor((), None, left)
    b = right if isinstance(right, Tensor) else Tensor((), None, right)
    values = _elementwise(operation, a, b)
    if isinstance(values, bool):
        return values
    return UNKNOWN if values is None else Tensor(broadcast(a.shape, b.shape), DTYPES["bool"], values)


def _elementwise(operation: Callable[[Any, Any], Any] | None, a: Tensor, b: Tensor) -> Any:
    if operation is None or a.values is None or b.values is None:
        return None
    try:
        if isinstance(a.values, list) and isinstance(b.values, list):
            if len(a.values) != len(b.values):
                return None
            return [operation(x, y) for x, y in zip(a.values, b.values, strict=True)]
        if isinstance(a.values, list):
            return [operation(x, b.values) for x in a.values]
        if isinstance(b.values, list):
            return [operation(a.values, y) for y in b.values]
        return operation(a.values, b.values)
    except (ArithmeticError, TypeError, ValueError):
        return None


def _result_dtype(name: str, a: Tensor, b: Tensor) -> Any:
    ranks = {"bool": 0, "int": 1, "float": 2, "complex": 3}
    kinds = [tensor.dtype for tensor in (a, b) if isinstance(tensor.dtype, DType)]
    best = max(kinds, key=lambda kind: (ranks[kind.kind], kind.itemsize), default=DTYPES["float32"])
    floating = any(isinstance(tensor.values, float) and tensor.dtype is None for tensor in (a, b))
    if best.kind in ("int", "bool") and (floating or name == "truediv"):
        return DTYPES["float64" if best is ARRAY_INTEGERS else "float32"]
    return best


def tensor_unary(name: str, value: Tensor) -> Tensor:
    """`-value` and its like."""
    values = value.values
    if name == "neg" and isinstance(values, list):
        values = [-item for item in values]
    elif name == "neg" and isinstance(values, int | float):
        values = -values
    else:
        values = None
    return Tensor(value.shape, value.dtype, values)


def tensor_item(value: Tensor, *key: Any) -> Any:
    """`value[key]`; without key the list of rows."""
    if not key:
        return _rows(value)
    index = key[0]
    if isinstance(value.values, list) and isinstance(index, int | slice):
        picked = value.values[index]
        shape = (len(picked),) if isinstance(picked, list) else ()
        return Tensor(shape, value.dtype, picked)
    return Tensor(_indexed(value.shape, index if isinstance(index, tuple) else (index,)), value.dtype)


def tensor_assign(value: Tensor, index: Any, item: Any) -> None:
    """`value[index] = item`, after which the values are known only where a number is assigned to an item or a
    slice."""
    values = value.values
    if isinstance(values, list) and isinstance(index, int | slice) and isinstance(item, int | float):
        number = float(item) if value.dtype is not None and value.dtype.kind == "float" else item
        places = range(len(values))[index]
        for place in [places] if isinstance(places, int) else places:
            values[place] = number
    else:
        value.values = None


def _rows(value: Tensor) -> list[Any]:
    if isinstance(value.values, list):
        return [Tensor((), value.dtype, item) for item in value.values]
    if value.shape and isinstance(value.shape[0], int) and value.shape[0] <= SMALL:
        return [Tensor(value.shape[1:], value.dtype) for _ in range(value.shape[0])]
    return [Unknown("item of a tensor")]


def _indexed(shape: tuple[Any, ...] | None, index: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if shape is None:
        return None
    result: list[Any] = []
    rest = list(shape)
    for position, part in enumerate(index):
        if part is None:
            result.append(1)
        elif part is Ellipsis:
            after = sum(1 for later in index[position + 1 :] if later is not None)
            while len(rest) > after:
                result.append(rest.pop(0))
        elif not rest:
            return None
        elif isinstance(part, slice):
            size = rest.pop(0)
            result.append(len(range(*part.indices(size))) if isinstance(size, int) else UNKNOWN)
        elif isinstance(part, int):
            rest.pop(0)
        else:
            return None
    return (*result, *rest)


def linspace(start: Any, stop: Any, steps: Any) -> list[float] | None:
    """Evenly spaced values as torch gives them, in double precision."""
    if not all(isinstance(value, int | float) for value in (start, stop, steps)) or steps > SMALL:
        return None
    if steps <= 1:
        return [float(start)] * int(steps)
    step = (stop - start) / (steps - 1)
    return [start + step * i if i < steps / 2 else stop - step * (steps - 1 - i) for i in range(int(steps))]


def arange(start: Any, stop: Any, step: Any) -> tuple[Any, list[Any] | None]:
    """Length and, if small, values of `arange`."""
    if not all(isinstance(value, int | float) for value in (start, stop, step)) or not step:
        return UNKNOWN, None
    length = max(0, math.ceil((stop - start) / step))
    return length, [start + i * step for i in range(length)] if length <= SMALL else None

"""numpy's functions on arrays: element by element where the values are known, by shape where they are not."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.numpy_factories import array_factories
from bitlens.source.evaluate.tensors import SMALL, elementwise
from bitlens.source.evaluate.values import UNKNOWN, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_ONE: dict[str, Callable[[Any], Any]] = {
    "ceil": lambda value: float(math.ceil(value)),
    "floor": lambda value: float(math.floor(value)),
    "rint": lambda value: float(round(value)),
    "trunc": lambda value: float(math.trunc(value)),
    "exp2": lambda value: 2.0**value,
    "square": lambda value: value * value,
    **{name: getattr(math, name) for name in ("sqrt", "log", "log2", "log10", "exp", "sin", "cos")},
}
_KIND = dict.fromkeys(("square", "floor", "ceil", "trunc", "rint"), "mul")
_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "minimum": min,
    "maximum": max,
    "power": operator.pow,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "mod": operator.mod,
}


def array_functions(machine: Machine, scalars: dict[str, Any]) -> dict[str, Any]:
    """The functions of arrays by name; `scalars` are those that numbers go to instead."""
    table: dict[str, Any] = {name: _on_one(machine, name, scalars.get(name)) for name in _ONE}
    table.update({name: _on_two(machine, name) for name in _TWO})
    torch = machine.imports.modules["torch"].vars
    for name, same in {"concatenate": "cat", "stack": "stack"}.items():
        table[name] = _joining(machine, name, torch[same])
    table["unique"] = torch["unique"]
    for name in ("round", "around"):
        table[name] = _rounded(machine, name)
    table["broadcast_to"] = Native("broadcast_to", lambda args, kwargs: _broadcast_to(machine, args, kwargs))
    return table


def _joining(machine: Machine, name: str, same: Any) -> Native:
    return Native(name, lambda args, kwargs: _joined(machine, same, args, kwargs))


def _on_one(machine: Machine, name: str, scalar: Any) -> Native:
    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = _array(machine, args[0]) if args and not kwargs else UNKNOWN
        if isinstance(value, Tensor):
            return elementwise(lambda item, _: _ONE[name](item), value, 0, _KIND.get(name, "truediv"))
        if isinstance(value, int | float) and scalar is None:
            return _ONE[name](value)
        return UNKNOWN if scalar is None else machine.call(scalar, args, kwargs)

    return Native(name, run, on_numbers=(1, _ONE[name]) if scalar is None else scalar.on_numbers)


def _rounded(machine: Machine, name: str) -> Native:
    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = _array(machine, args[0]) if args and not kwargs else UNKNOWN
        digits = args[1] if len(args) > 1 else 0
        if isinstance(value, Tensor) and isinstance(digits, int):
            return elementwise(lambda item, count: round(item, count), value, digits)
        return machine.call(machine.builtins["round"], args, kwargs)

    return Native(name, run)


def _on_two(machine: Machine, name: str) -> Native:
    on_numbers = machine.binary(ast.Pow) if name == "power" else _TWO[name]

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        values = [_array(machine, arg) for arg in args]
        if len(values) != 2 or kwargs or not all(isinstance(value, Tensor | int | float) for value in values):
            return UNKNOWN
        if any(isinstance(value, Tensor) for value in values):
            return elementwise(_TWO[name], values[0], values[1], "truediv" if name == "divide" else "mul")
        return on_numbers(*values)

    return Native(name, run, on_numbers=(2, on_numbers))


def _array(machine: Machine, value: Any) -> Any:
    """A list or tuple as the array that numpy makes of it."""
    if not isinstance(value, list | tuple):
        return value
    return machine.call(array_factories(machine)["array"], [value], {})


def _joined(machine: Machine, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`np.stack` and `np.concatenate` by torch's, whose `dim` is their `axis`."""
    if not args or isinstance(args[0], Unknown) or not kwargs.keys() <= {"axis"}:
        return UNKNOWN
    parts = [_array(machine, part) for part in machine.iterate(args[0])]
    axis = kwargs.get("axis", args[1] if len(args) > 1 else 0)
    return machine.call(function, [parts, axis], {}) if isinstance(axis, int) else UNKNOWN


def _broadcast_to(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    value, shape = _array(machine, args[0]), args[1] if len(args) > 1 else kwargs.get("shape")
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(value, Tensor) or not isinstance(sizes, list | tuple):
        return UNKNOWN
    single = isinstance(value.values, int | float) and len(sizes) == 1 and isinstance(sizes[0], int)
    values = [value.values] * sizes[0] if single and sizes[0] <= SMALL else None
    return Tensor(tuple(sizes), value.dtype, values)

"""`numpy`, as far as it computes sizes."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.numpy_arrays import array_functions
from bitlens.source.evaluate.numpy_factories import array_factories
from bitlens.source.evaluate.stdlib_functional import accumulated
from bitlens.source.evaluate.stdlib_math import of_numbers, product
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def _argsort(machine: Machine, items: Any) -> Any:
    values = (
        items.values
        if isinstance(items, Tensor)
        else None
        if isinstance(items, Unknown)
        else list(machine.iterate(items))
    )
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        return UNKNOWN
    order = sorted(range(len(values)), key=lambda index: values[index])
    return Tensor((len(order),), machine.dtypes["int64"], order)


def _at_least_1d(value: Any) -> Any:
    if isinstance(value, Tensor) and isinstance(value.values, int | float):
        value = value.values
    return [value] if isinstance(value, int | float) else value


def _as_array(machine: Machine, value: Any) -> Any:
    return machine.call(array_factories(machine)["array"], [value], {})


def _quantified(machine: Machine, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`np.any(x)`, `np.all(x)` of what is known."""
    value = _at_least_1d(args[0])
    values = value.values if isinstance(value, Tensor) else value
    return (
        UNKNOWN
        if not isinstance(values, list) or kwargs
        else machine.call(machine.builtins[name], [values], {})
    )


def numpy_functions(machine: Machine) -> dict[str, Any]:
    """The names of `numpy`."""
    torch = machine.imports.modules["torch"].vars
    shared = {
        name: torch[name]
        for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8")
    }
    shared.update(array_factories(machine))
    shared.update({name: of_numbers(name) for name in ("ceil", "floor", "sqrt", "log2", "log", "exp")})
    shared.update(array_functions(machine, shared))
    shared["prod"] = Native("prod", lambda args, kwargs: product(machine, _at_least_1d(args[0])))
    shared["atleast_1d"] = Native(
        "atleast_1d", lambda args, kwargs: _as_array(machine, _at_least_1d(args[0]))
    )
    for name in ("any", "all"):
        shared[name] = Native(name, functools.partial(_quantified, machine, name))
    shared["sum"] = Native("sum", lambda args, kwargs: machine.call(machine.builtins["sum"], [args[0]], {}))
    shared["cumsum"] = Native(
        "cumsum", lambda args, kwargs: _as_array(machine, list(accumulated(machine, args[0])))
    )
    for name in ("max", "min"):
        shared[name] = machine.builtins[name]
    shared["argsort"] = Native("argsort", lambda args, kwargs: _argsort(machine, args[0]))
    shared["abs"] = machine.builtins["abs"]
    shared.update(
        {"pi": math.pi, "inf": math.inf, "ndarray": ClassValue("ndarray", [], {}), "random": UNKNOWN}
    )
    return shared

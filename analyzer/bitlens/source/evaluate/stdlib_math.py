"""Numbers: `math` and `numbers`."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def native(
    name: str, function: Callable[..., Any], on_numbers: tuple[int, Callable[..., Any]] | None = None
) -> Native:
    """A native from a function of positional arguments, unknown if one of them is."""

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if any(isinstance(arg, Unknown) for arg in args):
            return UNKNOWN
        return function(*args, **kwargs)

    return Native(name, run, on_numbers=on_numbers)


def _math(machine: Machine) -> dict[str, Any]:
    names = [
        "ceil",
        "floor",
        "sqrt",
        "log",
        "log2",
        "log10",
        "exp",
        "pow",
        "isclose",
        "fabs",
        "sin",
        "cos",
        "tan",
        "atan",
        "tanh",
        "trunc",
        "isqrt",
        "gcd",
        "lcm",
        "hypot",
    ]
    table: dict[str, Any] = {name: of_numbers(name) for name in names}
    table["prod"] = Native("prod", lambda args, kwargs: product(machine, args[0]))
    table["factorial"] = native("factorial", lambda value: math.factorial(min(value, 2000)))
    return {**table, "pi": math.pi, "inf": math.inf, "e": math.e, "nan": math.nan}


def of_numbers(name: str) -> Native:
    """A function of `math`."""
    function = getattr(math, name)
    return native(name, numeric(function), None if name in _OF_SEVERAL else (1 + (name == "pow"), function))


_OF_SEVERAL = frozenset(("isclose", "gcd", "lcm", "hypot"))


def numeric(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on numbers and tensors with known values, else unknown."""

    def run(*args: Any) -> Any:
        values = [arg.values if isinstance(arg, Tensor) else arg for arg in args]
        return function(*values) if all(isinstance(value, int | float) for value in values) else UNKNOWN

    return run


def product(machine: Machine, items: Any) -> Any:
    """The product of items that may be unknown."""
    total: Any = 1
    multiply = machine.binary(ast.Mult)
    for item in machine.iterate(items):
        total = multiply(total, item)
    return total


def _numbers(machine: Machine) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name in ("Number", "Real", "Integral"):
        table[name] = ClassValue(name, [], {})
        table[name].traits.add("protocol")
    return table


MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {"math": _math, "numbers": _numbers}

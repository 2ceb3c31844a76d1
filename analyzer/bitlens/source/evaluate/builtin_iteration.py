"""Python's built-in functions on iterables."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.builtin_types import Handler
from bitlens.source.evaluate.values import UNKNOWN, Instance, Iter, ModuleInstance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def _extreme(name: str) -> Handler:
    def pick(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
        items = list(args) if len(args) > 1 else list(machine.iterate(args[0]))
        if not items and "default" in kwargs:
            return kwargs["default"]
        key = kwargs.get("key")
        if any(isinstance(item, Unknown | Tensor) for item in items):
            return Unknown(f"{name} of something unknown")
        keys = [
            machine.call(key, [item], {}) if key is not None else machine.host_value(item) for item in items
        ]
        if any(isinstance(value, Unknown) for value in keys):
            return UNKNOWN
        best = (max if name == "max" else min)(range(len(items)), key=lambda index: keys[index])
        return items[best]

    return pick


def _sum(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    total = args[1] if len(args) > 1 else kwargs.get("start", 0)
    add = machine.binary(ast.Add)
    for item in machine.iterate(args[0]):
        total = add(total, item)
    return total


def sort(machine: Machine, items: Any, kwargs: dict[str, Any]) -> list[Any]:
    """A sorted list; in the order in which it is where the keys are not known."""
    values = list(machine.iterate(items))
    key = kwargs.get("key")
    keys = [
        machine.call(key, [value], {}) if key is not None else machine.host_value(value) for value in values
    ]
    if any(isinstance(value, Unknown) for value in keys):
        machine.doubts += 1
        return values
    if any(isinstance(value, Instance) for value in keys):
        keys = [functools.cmp_to_key(_order(machine))(value) for value in keys]
    order = sorted(
        range(len(values)), key=lambda index: keys[index], reverse=bool(kwargs.get("reverse", False))
    )
    return [values[index] for index in order]


def _order(machine: Machine) -> Callable[[Any, Any], int]:
    """The comparison of objects by their own `__lt__`."""
    less = machine.comparison(ast.Lt)
    return lambda a, b: -1 if machine.truth(less(a, b)) else int(machine.truth(less(b, a)) is True)


def _sorted(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN if isinstance(args[0], Unknown) else sort(machine, args[0], kwargs)


def _zip(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if all(isinstance(arg, Unknown) for arg in args):
        return UNKNOWN
    known = [machine.iterate(arg) for arg in args if not isinstance(arg, Unknown)]
    rows = zip(*known, strict=False)
    if len(known) == len(args):
        return Iter(rows)
    spots = [index for index, arg in enumerate(args) if not isinstance(arg, Unknown)]
    return Iter(_with_unknown(row, spots, len(args)) for row in rows)


def _with_unknown(row: tuple[Any, ...], spots: list[int], width: int) -> tuple[Any, ...]:
    values: list[Any] = [UNKNOWN] * width
    for spot, value in zip(spots, row, strict=True):
        values[spot] = value
    return tuple(values)


def _enumerate(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    start = args[1] if len(args) > 1 else kwargs.get("start", 0)
    if isinstance(args[0], Unknown):
        return UNKNOWN
    return Iter(enumerate(machine.iterate(args[0]), start if isinstance(start, int) else 0))


def _map(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if any(isinstance(arg, Unknown) for arg in args[1:]):
        return UNKNOWN
    return Iter(
        machine.call(args[0], list(row), {}) for row in zip(*map(machine.iterate, args[1:]), strict=False)
    )


def _filter(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if isinstance(args[1], Unknown):
        return UNKNOWN
    test = args[0]

    def kept(item: Any) -> bool:
        known = machine.truth(item if test is None else machine.call(test, [item], {}))
        machine.doubts += known is None
        return known is not False

    return Iter(item for item in machine.iterate(args[1]) if kept(item))


def _reversed(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if isinstance(args[0], Unknown):
        return UNKNOWN
    return Iter(iter(list(machine.iterate(args[0]))[::-1]))


def _iter(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return args[0] if isinstance(args[0], Unknown) else Iter(iter(machine.iterate(args[0])))


def _next(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = args[0]
    if isinstance(value, Instance) and not isinstance(value, ModuleInstance):
        return machine.call_method(value, "__next__", [], {})
    if not isinstance(value, Iter):
        return UNKNOWN
    machine.repetition.changed_object(value.number)
    for item in value.source:
        return item
    if len(args) > 1:
        return args[1]
    raise machine.error("StopIteration", "")


def _quantifier(stop_at: bool) -> Handler:
    def decide(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], Unknown):
            return UNKNOWN
        doubt = False
        for item in machine.iterate(args[0]):
            known = machine.truth(item)
            if known is stop_at:
                return stop_at
            doubt = doubt or known is None
        return UNKNOWN if doubt else not stop_at

    return decide


FUNCTIONS: dict[str, Handler] = {
    "max": _extreme("max"),
    "min": _extreme("min"),
    "sum": _sum,
    "sorted": _sorted,
    "zip": _zip,
    "enumerate": _enumerate,
    "map": _map,
    "filter": _filter,
    "reversed": _reversed,
    "iter": _iter,
    "next": _next,
    "all": _quantifier(False),
    "any": _quantifier(True),
}

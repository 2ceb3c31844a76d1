"""`functools.singledispatch`: a function chosen by the class of its first argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Function, Native
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def single_dispatch(machine: Machine, default: Any) -> Any:
    """`singledispatch(default)`, with its `register` and `dispatch`."""
    if not isinstance(default, Function):
        return default
    registered: list[tuple[Any, Any]] = []

    def choose(value: Any) -> Any:
        if isinstance(value, Unknown):
            return UNKNOWN
        fitting = [
            (kind, function) for kind, function in registered if machine.isinstance(value, kind) is True
        ]
        for kind, function in reversed(fitting):
            if all(machine.issubclass(kind, other) is True for other, _ in fitting):
                return function
        return fitting[-1][1] if fitting else default

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return machine.call(choose(args[0] if args else UNKNOWN), args, kwargs)

    def register(args: list[Any], kwargs: dict[str, Any]) -> Any:
        kind = args[0]
        if isinstance(kind, Function):
            registered.extend((option, kind) for option in _first_annotation(machine, kind))
            return kind
        if len(args) == 2:
            registered.append((kind, args[1]))
            return args[1]
        return Native("register", lambda inner, _: register([kind, inner[0]], {}))

    made = Native(default.name, run)
    made.attrs.update(register=Native("register", register), __wrapped__=default, __name__=default.name)
    return made


def _first_annotation(machine: Machine, function: Function) -> list[Any]:
    found = next(iter(machine.getattr(function, "__annotations__").values()), UNKNOWN)
    options = found if isinstance(found, tuple) else (found,)
    return [option for option in options if isinstance(option, ClassValue | type)]

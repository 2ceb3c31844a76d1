"""The constructors of Python's own types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, Function, HostMethod, Native, Partial, Super
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.symbolic import Symbolic
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

TYPES = (
    int,
    float,
    bool,
    str,
    list,
    tuple,
    dict,
    set,
    frozenset,
    bytes,
    complex,
    object,
    type,
    range,
    slice,
    bytearray,
)
Handler = Callable[["Machine", list[Any], dict[str, Any]], Any]


def construct(machine: Machine, kind: type, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`int(x)`, `dict(a=1)`, `list(x)` …"""
    handler = _CONSTRUCTORS.get(kind)
    return handler(machine, args, kwargs) if handler is not None else UNKNOWN


def _number(kind: Callable[..., Any]) -> Handler:
    def make(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if not args:
            return kind()
        value = machine.host_value(args[0])
        if isinstance(value, Tensor):
            value = value.values if isinstance(value.values, int | float) else UNKNOWN
        if isinstance(value, Symbolic) and kind is int:
            return value
        if isinstance(value, Unknown):
            return UNKNOWN
        if isinstance(value, Instance):
            found = value.cls.lookup(f"__{kind.__name__}__")
            return UNKNOWN if found is MISSING else machine.call(found, [value], {})
        if isinstance(value, str):
            machine.allocate(len(value) * 8)
        return kind(value, *args[1:], **kwargs)

    return make


def _bool(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    known = machine.truth(args[0]) if args else False
    return UNKNOWN if known is None else known


def text_of(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`str(x)`, `repr(x)`."""
    return machine.to_text(args[0]) if args else ""


def _list(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if args and isinstance(args[0], Unknown):
        return Unknown("list of something unknown")
    return list(machine.iterate(args[0])) if args else []


def _tuple(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if args and isinstance(args[0], Unknown):
        return Unknown("tuple of something unknown")
    return tuple(machine.iterate(args[0])) if args else ()


def _set(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if args and isinstance(args[0], Unknown):
        return UNKNOWN
    return machine.make_set(list(machine.iterate(args[0]))) if args else set()


def _dict(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    result: dict[Any, Any] = {}
    if args:
        if isinstance(args[0], Unknown):
            return UNKNOWN
        machine.call(HostMethod(result, "update"), [args[0]], {})
    result.update(kwargs)
    return result


def _range(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    values = [machine.index(arg) for arg in args]
    return UNKNOWN if any(isinstance(value, Unknown) for value in values) else range(*values)


def _slice(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN if any(isinstance(arg, Unknown) for arg in args) else slice(*args)


def _type(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if len(args) == 3:
        return machine.classes.build(args[0], list(args[1]), dict(args[2]), None, 0)
    value = args[0]
    if isinstance(value, Instance):
        return value.cls
    if isinstance(value, ClassValue):
        return value.metaclass or type
    if isinstance(value, Unknown | Tensor | Namespace | Function | BoundMethod | Native | Partial | Super):
        return UNKNOWN
    return type(value)


def _object(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return Instance(ClassValue("object", [], {}))


_CONSTRUCTORS: dict[type, Handler] = {
    int: _number(int),
    float: _number(float),
    complex: _number(complex),
    bool: _bool,
    str: text_of,
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    dict: _dict,
    range: _range,
    slice: _slice,
    type: _type,
    object: _object,
}

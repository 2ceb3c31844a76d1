"""Python's built-in names."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.builtin_iteration import FUNCTIONS as ITERATION
from bitlens.source.evaluate.builtin_types import TYPES, Handler, text_of
from bitlens.source.evaluate.callables import (
    BoundMethod,
    ClassMethod,
    Function,
    HostMethod,
    Native,
    Partial,
    PropertyValue,
    StaticMethod,
    Super,
)
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.symbolic import combine
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Instance,
    LimitReached,
    ModuleInstance,
    Tensor,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

MAXIMUM_EXPRESSION = 10_000
"""Characters of a text that `eval` evaluates."""
_ON_NUMBERS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, abs),
    "round": (1, round),
    "min": (2, min),
    "max": (2, max),
}


def builtin_table(machine: Machine) -> dict[str, Any]:
    """Every built-in name with its value."""
    table: dict[str, Any] = {kind.__name__: kind for kind in TYPES}
    for name, handler in _FUNCTIONS.items():
        table[name] = Native(name, functools.partial(handler, machine), on_numbers=_ON_NUMBERS.get(name))
    table["pow"].on_numbers = 2, machine.binary(ast.Pow)
    table.update({"NotImplemented": UNKNOWN, "Ellipsis": ..., "__debug__": True})
    return table


def _len(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = args[0]
    if isinstance(value, Instance):
        found = value.cls.lookup("__len__")
        if found is not MISSING:
            return machine.call(found, [value], {})
        value = value.host if value.host is not None else UNKNOWN
    if isinstance(value, Tensor):
        return value.shape[0] if value.shape else UNKNOWN
    if isinstance(value, ClassValue) and "enum" in value.traits:
        return len(machine.enum_members(value))
    return UNKNOWN if isinstance(value, Unknown) else len(value)


def _abs(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN if isinstance(args[0], Unknown | Tensor | Instance) else abs(args[0])


def _round(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    values = [value.values if isinstance(value, Tensor) else value for value in args]
    return UNKNOWN if not all(isinstance(v, int | float | None) for v in values) else round(*values)


def _divmod(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if any(isinstance(arg, Unknown) for arg in args):
        return (combine("floordiv", args[0], args[1]), UNKNOWN)
    return divmod(args[0], args[1])


def _pow(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.binary(ast.Pow)(args[0], args[1]) if len(args) == 2 else UNKNOWN


def _property(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return PropertyValue(
        args[0] if args else kwargs.get("fget"), args[1] if len(args) > 1 else kwargs.get("fset")
    )


def _vars(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.getattr(args[0], "__dict__") if args else UNKNOWN


def _dir(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = args[0] if args else UNKNOWN
    if isinstance(value, Namespace):
        machine.imports.ensure(value)
        return sorted(value.vars)
    if isinstance(value, Instance):
        names = set(value.attrs)
        return sorted(names.union(*(base.ns for base in value.cls.mro if isinstance(base, ClassValue))))
    return UNKNOWN


def _isinstance(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.isinstance(args[0], args[1])


def _callable(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = args[0]
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, Instance):
        return isinstance(value, ModuleInstance) or value.cls.lookup("__call__") is not MISSING
    return isinstance(
        value, Function | BoundMethod | Native | Partial | ClassValue | type | HostMethod | StaticMethod
    )


def _super(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if len(args) == 2 and isinstance(args[0], ClassValue):
        target = args[1]
        return Super(args[0], target, target.cls if isinstance(target, Instance) else target)
    return UNKNOWN


def _format_builtin(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.format(args[0], -1, args[1] if len(args) > 1 else "")


def _chr(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN if isinstance(args[0], Unknown) else chr(args[0])


def _ord(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN if isinstance(args[0], Unknown) else ord(args[0])


def _identity_number(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return id(args[0])


def _hash(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN


def _import(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.imports.by_name(args[0], machine.frames[-1].module) if args else UNKNOWN


def _eval(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`eval(text)` in the names of the caller; other names than those are not known."""
    text = machine.host_value(args[0]) if args else UNKNOWN
    if not isinstance(text, str) or len(args) > 1 or kwargs:
        return UNKNOWN
    if len(text) > MAXIMUM_EXPRESSION:
        raise LimitReached(f"{MAXIMUM_EXPRESSION:,} characters of an expression")
    return machine.evaluate(text)


def _nothing(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return None


def _unknown(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN


_FUNCTIONS: dict[str, Handler] = {
    **ITERATION,
    "len": _len,
    "abs": _abs,
    "round": _round,
    "divmod": _divmod,
    "pow": _pow,
    "print": _nothing,
    "property": _property,
    "classmethod": lambda machine, args, kwargs: ClassMethod(args[0]),
    "staticmethod": lambda machine, args, kwargs: StaticMethod(args[0]),
    "getattr": lambda machine, args, kwargs: machine.getattr(*args),
    "setattr": lambda machine, args, kwargs: machine.setattr(args[0], machine.host_value(args[1]), args[2]),
    "delattr": lambda machine, args, kwargs: machine.delattr(args[0], args[1]),
    "hasattr": lambda machine, args, kwargs: machine.hasattr(args[0], args[1]),
    "isinstance": _isinstance,
    "issubclass": lambda machine, args, kwargs: machine.issubclass(args[0], args[1]),
    "callable": _callable,
    "super": _super,
    "vars": _vars,
    "dir": _dir,
    "repr": text_of,
    "ascii": text_of,
    "format": _format_builtin,
    "chr": _chr,
    "ord": _ord,
    "id": _identity_number,
    "hash": _hash,
    "__import__": _import,
    "globals": _unknown,
    "locals": _unknown,
    "open": lambda machine, args, kwargs: machine.files.open(args, kwargs),
    "input": _unknown,
    "eval": _eval,
    "exec": _nothing,
    "compile": _unknown,
    "hex": lambda machine, args, kwargs: UNKNOWN if isinstance(args[0], Unknown) else hex(args[0]),
    "bin": lambda machine, args, kwargs: UNKNOWN if isinstance(args[0], Unknown) else bin(args[0]),
    "exit": _nothing,
    "quit": _nothing,
    "breakpoint": _nothing,
    "memoryview": _unknown,
}

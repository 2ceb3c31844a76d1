"""Python's built-in functions and the constructors of its types."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
from bitlens.source.evaluate.symbolic import Symbolic, combine
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Instance,
    Iter,
    LimitReached,
    ModuleInstance,
    Tensor,
    Unknown,
)

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
MAXIMUM_EXPRESSION = 10_000
"""Characters of a text that `eval` evaluates."""
Handler = Callable[["Machine", list[Any], dict[str, Any]], Any]


def builtin_table(machine: Machine) -> dict[str, Any]:
    """Every built-in name with its value."""
    table: dict[str, Any] = {kind.__name__: kind for kind in TYPES}
    for name, handler in _FUNCTIONS.items():
        table[name] = Native(name, functools.partial(handler, machine))
    table.update({"NotImplemented": UNKNOWN, "Ellipsis": ..., "__debug__": True})
    return table


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


def _str(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
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
    str: _str,
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
    "len": _len,
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
    "abs": _abs,
    "round": _round,
    "divmod": _divmod,
    "pow": _pow,
    "print": _nothing,
    "property": _property,
    "classmethod": lambda machine, args, kwargs: ClassMethod(args[0]),
    "staticmethod": lambda machine, args, kwargs: StaticMethod(args[0]),
    "getattr": lambda machine, args, kwargs: machine.getattr(*args),
    "setattr": lambda machine, args, kwargs: (
        machine.setattr(args[0], machine.host_value(args[1]), args[2])
        if not isinstance(args[1], Unknown)
        else None
    ),
    "delattr": lambda machine, args, kwargs: machine.delattr(args[0], args[1]),
    "hasattr": lambda machine, args, kwargs: machine.hasattr(args[0], args[1]),
    "isinstance": _isinstance,
    "issubclass": lambda machine, args, kwargs: machine.issubclass(args[0], args[1]),
    "callable": _callable,
    "super": _super,
    "vars": _vars,
    "dir": _dir,
    "repr": _str,
    "ascii": _str,
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

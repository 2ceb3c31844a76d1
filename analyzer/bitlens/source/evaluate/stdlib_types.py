"""What classes are made with: `typing`, `dataclasses`, `enum`, `abc`, `types`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, ClassMethod, Function, Native, PropertyValue
from bitlens.source.evaluate.dataclass_fields import FIELD, NO_DEFAULT, field, make_dataclass
from bitlens.source.evaluate.passing import registered
from bitlens.source.evaluate.stdlib_containers import abstract_classes
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def _typing(machine: Machine) -> dict[str, Any]:
    aliases = {
        "List": list,
        "Dict": dict,
        "Tuple": tuple,
        "Set": set,
        "FrozenSet": frozenset,
        "Type": type,
        "Text": str,
    }
    markers = {name: ClassValue(name, [], {}) for name in ("Generic", "Protocol")}
    named = ClassValue("NamedTuple", [], {})
    named.traits.add("namedtuple base")
    identity = Native(
        "identity", lambda args, kwargs: args[0] if args else Native("identity", lambda a, k: a[0])
    )
    return {
        **aliases,
        **markers,
        **abstract_classes(machine),
        "TYPE_CHECKING": False,
        "NamedTuple": named,
        "TypedDict": dict,
        "OrderedDict": dict,
        "cast": Native("cast", lambda args, kwargs: args[1]),
        "overload": identity,
        "final": identity,
        "no_type_check": identity,
        "override": identity,
        "runtime_checkable": identity,
        "deprecated": Native("deprecated", lambda args, kwargs: identity),
        "dataclass_transform": Native("dataclass_transform", lambda args, kwargs: identity),
        "get_type_hints": Native("get_type_hints", lambda args, kwargs: _hints(machine, args[0])),
    }


def _hints(machine: Machine, target: Any) -> Any:
    result: dict[str, Any] = {}
    for base in reversed(target.mro) if isinstance(target, ClassValue) else ():
        if isinstance(base, ClassValue):
            result.update(machine.classes.annotations(base))
    return result


def _dataclasses(machine: Machine) -> dict[str, Any]:
    def dataclass(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if args and args[0] is not None:
            return make_dataclass(machine, args[0], kwargs)
        return Native("dataclass", lambda inner, _: make_dataclass(machine, inner[0], kwargs))

    def fields(args: list[Any], kwargs: dict[str, Any]) -> Any:
        cls = args[0].cls if isinstance(args[0], Instance) else args[0]
        found = cls.lookup("__dataclass_fields__") if isinstance(cls, ClassValue) else MISSING
        return tuple(found.values()) if found is not MISSING else UNKNOWN

    def asdict(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return {made.attrs["name"]: machine.getattr(args[0], made.attrs["name"]) for made in fields(args, {})}

    def replace(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return machine.call(args[0].cls, [], {**asdict(args, {}), **kwargs})

    def is_dataclass(args: list[Any], kwargs: dict[str, Any]) -> Any:
        cls = args[0].cls if isinstance(args[0], Instance) else args[0]
        return isinstance(cls, ClassValue) and cls.lookup("__dataclass_fields__") is not MISSING

    table = {"dataclass": dataclass, "field": field, "fields": fields, "asdict": asdict, "replace": replace}
    natives: dict[str, Any] = {name: Native(name, function) for name, function in table.items()}
    natives["is_dataclass"] = Native("is_dataclass", is_dataclass)
    return {**natives, "MISSING": NO_DEFAULT, "Field": FIELD, "InitVar": ClassValue("InitVar", [], {})}


def _enum(machine: Machine) -> dict[str, Any]:
    base = ClassValue("Enum", [], {})
    base.traits.add("enum")
    kinds: dict[str, list[Any]] = {
        "IntEnum": [int, base],
        "StrEnum": [str, base],
        "Flag": [base],
        "IntFlag": [int, base],
    }
    classes = {"Enum": base, **{name: ClassValue(name, bases, {}) for name, bases in kinds.items()}}
    meta = ClassValue("EnumMeta", [type], {})
    for cls in classes.values():
        cls.metaclass = meta
    return {
        **classes,
        **dict.fromkeys(("EnumMeta", "EnumType"), meta),
        "auto": Native("auto", lambda args, kwargs: Unknown("auto")),
        "unique": Native("unique", lambda args, kwargs: args[0]),
    }


def _types(machine: Machine) -> dict[str, Any]:
    def namespace(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = Instance(simple)
        made.attrs.update(machine.mapping(args[0]) if args else {}, **kwargs)
        return made

    simple = ClassValue(
        "SimpleNamespace", [], {"__new__": Native("__new__", lambda a, k: namespace(a[1:], k))}
    )
    simple.ns["__init__"] = Native("__init__", lambda args, kwargs: None, method=True)
    function = ClassValue("FunctionType", [], {})
    function.traits.add("function")
    function.ns["__new__"] = Native("FunctionType", lambda args, kwargs: _function_copy(args[1:]))
    method = Native("MethodType", lambda args, kwargs: BoundMethod(args[0], args[1]))
    return {
        "SimpleNamespace": simple,
        "FunctionType": function,
        "LambdaType": function,
        "MethodType": method,
        "NoneType": type(None),
    }


def _function_copy(args: list[Any]) -> Any:
    """`FunctionType(f.__code__, …)`: `__code__` gives the function itself, so this is a copy of it."""
    return copy.copy(args[0]) if args and isinstance(args[0], Function) else UNKNOWN


def _abc(machine: Machine) -> dict[str, Any]:
    identity = Native("abstractmethod", lambda args, kwargs: args[0])
    wrapper = Native("abstractproperty", lambda args, kwargs: PropertyValue(args[0]))
    return {
        "ABC": ClassValue("ABC", [], {"register": ClassMethod(registered)}),
        "ABCMeta": ClassValue("ABCMeta", [type], {}),
        "abstractmethod": identity,
        "abstractproperty": wrapper,
    }


MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {
    "typing": _typing,
    "typing_extensions": _typing,
    "dataclasses": _dataclasses,
    "enum": _enum,
    "types": _types,
    "abc": _abc,
}

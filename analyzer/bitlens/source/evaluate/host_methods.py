"""Methods of Python's own values: strings, lists, dicts, sets, tuples, numbers. Only those listed, within
limits."""

from __future__ import annotations

import copy
import string
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import HostMethod
from bitlens.source.evaluate.host_method_names import METHODS
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Instance,
    Iter,
    Lazy,
    LimitReached,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.assignment import Assignment

_PADDING = frozenset(("ljust", "rjust", "center", "zfill", "expandtabs"))
_DUNDERS = {
    "__len__": len,
    "__contains__": None,
    "__getitem__": None,
    "__setitem__": None,
    "__iter__": None,
    "__str__": str,
    "__repr__": repr,
    "__hash__": hash,
}
MAXIMUM_PADDING = 10_000


def host_type_name(value: Any) -> str:
    """The name of a value's type as the program would see it."""
    return type(value).__name__


def call_host(machine: Assignment, method: HostMethod, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call a method. Raises Python's own errors; what is not listed gives UNKNOWN."""
    target, name = method.target, method.name
    if isinstance(target, type):
        return _on_type(machine, target, name, args, kwargs)
    if isinstance(target, Instance):
        return _on_derived(machine, target, name, args, kwargs)
    if name in ("__init__", "__post_init__"):
        return None
    if name in _DUNDERS:
        return _dunder(machine, target, name, args)
    special = _SPECIAL.get((_base(target), name))
    if special is not None:
        return special(machine, target, args, kwargs)
    if name not in METHODS.get(_base(target), ()):
        return UNKNOWN
    return _plain(machine, target, name, args, kwargs)


def _base(target: Any) -> type:
    for kind in (str, list, dict, tuple, bool, int):
        if isinstance(target, kind):
            return int if kind is bool else kind
    return type(target)


def _on_type(machine: Assignment, kind: type, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`dict.fromkeys(…)`, `str.lower(x)`, `object.__setattr__(self, …)`, `dict.__init__(self, …)`."""
    if kind is dict and name == "fromkeys":
        value = args[1] if len(args) > 1 else None
        return {machine.key(key): value for key in machine.iterate(args[0])}
    if kind is str and name == "maketrans":
        return str.maketrans(*args)
    if name == "__setattr__" and len(args) == 3:
        return machine.plain_setattr(args[0], args[1], args[2])
    if name == "__getattribute__" and len(args) == 2:
        return machine.plain_attribute(args[0], args[1]) if isinstance(args[0], Instance) else UNKNOWN
    if name == "__new__" and args:
        return machine.classes.new(args[0], args[1:])
    if name == "__init__" and args and isinstance(args[0], Instance):
        return machine.classes.fill_host(args[0], args[1:], kwargs)
    if args and not name.startswith("__"):
        return call_host(machine, HostMethod(machine.host_value(args[0]), name), args[1:], kwargs)
    return UNKNOWN


def _on_derived(
    machine: Assignment, target: Instance, name: str, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    """A method of the list, dict … that an object of a derived class holds."""
    if name == "__init__":
        return machine.classes.fill_host(target, args, kwargs)
    if isinstance(target.host, dict) and name == "update" and target.cls.lookup("__setitem__") is not MISSING:
        for key, value in machine.mapping(args[0] if args else kwargs).items():
            machine.setitem(target, key, value)
        return None
    if isinstance(target.host, dict) and name == "get" and target.cls.lookup("__getitem__") is not MISSING:
        key = machine.key(args[0])
        if key in target.host:
            return machine.getitem(target, key)
        return args[1] if len(args) > 1 else kwargs.get("default")
    if name == "copy" and target.host is not None:
        made = Instance(target.cls)
        made.attrs, made.host = dict(target.attrs), copy.copy(target.host)
        return made
    return call_host(machine, HostMethod(target.host, name), args, kwargs)


def _dunder(machine: Assignment, target: Any, name: str, args: list[Any]) -> Any:
    if name == "__getitem__":
        return machine.getitem(target, args[0])
    if name == "__setitem__":
        return machine.setitem(target, args[0], args[1])
    if name == "__contains__":
        return machine.contains(target, args[0])
    if name == "__iter__":
        return Iter(machine.iterate(target))
    if name == "__len__":
        return len(target)
    return UNKNOWN


def _plain(machine: Assignment, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if isinstance(target, str | bytes):
        if any(isinstance(arg, Unknown) for arg in (*args, *kwargs.values())):
            return Unknown("text")
        args = [machine.host_value(arg) for arg in args]
        _check_text(machine, target, name, args, kwargs)
    elif isinstance(target, dict | set) and args and name != "update":
        args = [machine.key(args[0]), *args[1:]]
        if isinstance(args[0], Unknown) and name in ("get", "pop"):
            return UNKNOWN
    if name in (
        "update",
        "union",
        "difference",
        "intersection",
        "issubset",
        "issuperset",
        "isdisjoint",
    ) or name.endswith("_update"):
        args = [arg if isinstance(arg, set | frozenset) else set(machine.iterate(arg)) for arg in args]
    result = getattr(target, name)(*args, **kwargs)
    return result.force() if type(result) is Lazy else result


def _check_text(machine: Assignment, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Refuse results much larger than what goes in."""
    if name in _PADDING and any(isinstance(arg, int) and arg > MAXIMUM_PADDING for arg in args):
        raise LimitReached(f"a width of {MAXIMUM_PADDING:,} characters")
    if name in ("format", "format_map"):
        machine.check_format(target)
        machine.allocate(
            sum(len(str(arg)) for arg in (*args, *kwargs.values()) if isinstance(arg, str)) * len(target)
        )
    elif name == "replace" and len(args) >= 2 and len(args[1]) > len(args[0]):
        machine.allocate((len(target) + 1) * len(args[1]))
    elif name == "translate" and args and isinstance(args[0], dict):
        machine.allocate(len(target) * max((len(str(value)) for value in args[0].values()), default=1))


def _join(machine: Assignment, target: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    parts = [machine.host_value(part) for part in machine.iterate(args[0])]
    if any(isinstance(part, Unknown) for part in parts):
        return Unknown("text")
    machine.allocate(sum(map(len, parts)) + len(target) * len(parts))
    return target.join(parts)


def _format(machine: Any, target: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    shown = [machine.to_text(arg) if isinstance(arg, Instance | ClassValue) else arg for arg in args]
    named = {k: machine.to_text(v) if isinstance(v, Instance | ClassValue) else v for k, v in kwargs.items()}
    if _reaches_inside(target):
        return Unknown("text")
    return _plain(machine, target, "format", shown, named)


def _reaches_inside(target: str) -> bool:
    """Whether a format has `{0.attribute}` or `{0[key]}`, which would reach into Python's own objects."""
    fields = [(name or "", spec or "") for _, name, spec, _ in string.Formatter().parse(target)]
    return any("." in name or "[" in name or "{" in spec for name, spec in fields)


def _extend(machine: Assignment, target: list[Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    added = list(machine.iterate(args[0]))
    machine.allocate(len(added))
    target.extend(added)


def _sort(machine: Any, target: list[Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    target[:] = machine.sorted(target, kwargs)


def _update(machine: Assignment, target: dict[Any, Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    for arg in args:
        source = machine.host_of(arg, "keys")
        if isinstance(source, dict | Instance):
            target.update(machine.mapping(source))
        elif not isinstance(source, Unknown):
            target.update(
                (machine.key(key), value) for key, value in map(machine.iterate, machine.iterate(source))
            )
    target.update(kwargs)


def _list_index(machine: Assignment, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if isinstance(args[0], Unknown):
        return UNKNOWN
    for index, item in enumerate(target):
        if machine.truth(machine.equal(item, args[0])):
            return index
    raise machine.error("ValueError", "not in list")


def _view(name: str) -> Callable[..., Any]:
    def items(machine: Assignment, target: dict[Any, Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        # A module's names, which wait until they are asked for.
        for key, value in target.items() if name != "keys" else ():
            if type(value) is Lazy:
                target[key] = value.force()
        return list(getattr(target, name)())

    return items


def _move_to_end(
    machine: Assignment, target: dict[Any, Any], args: list[Any], kwargs: dict[str, Any]
) -> None:
    value = target.pop(machine.key(args[0]))
    rest = dict(target)
    last = kwargs.get("last", args[1] if len(args) > 1 else True)
    target.clear()
    target.update({**rest, args[0]: value} if last else {args[0]: value, **rest})


_SPECIAL: dict[tuple[type, str], Callable[..., Any]] = {
    (str, "join"): _join,
    (str, "format"): _format,
    (list, "extend"): _extend,
    (list, "sort"): _sort,
    (list, "index"): _list_index,
    (tuple, "index"): _list_index,
    (dict, "update"): _update,
    (dict, "keys"): _view("keys"),
    (dict, "values"): _view("values"),
    (dict, "items"): _view("items"),
    (dict, "move_to_end"): _move_to_end,
}


def extends(kind: type, name: str) -> bool:
    """Whether a subclass in the standard library adds this method to the type: `OrderedDict.move_to_end`."""
    return (kind, name) in _SPECIAL

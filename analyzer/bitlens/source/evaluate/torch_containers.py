"""`nn.Sequential`, `ModuleList`, `ModuleDict`, `ParameterList`, `ParameterDict`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    UNNAMED,
    ClassValue,
    Instance,
    Iter,
    ModuleInstance,
    Tensor,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def container_classes(machine: Machine, module: ClassValue) -> dict[str, Any]:
    """The container classes by name."""
    tables = {
        "Sequential": {**_SEQUENCE, "__init__": _init_sequential},
        "ModuleList": {**_SEQUENCE, "__init__": _init_list},
        "ModuleDict": {**_MAPPING, "__init__": _init_dict},
        "ParameterList": {**_SEQUENCE, "__init__": _init_list},
        "ParameterDict": {**_MAPPING, "__init__": _init_dict},
    }
    classes = {}
    for name, methods in tables.items():
        ns = {key: _method(machine, key, function) for key, function in methods.items()}
        classes[name] = ClassValue(name, [module], ns)
    return classes


def _method(machine: Machine, name: str, function: Callable[..., Any]) -> Native:
    return Native(name, lambda args, kwargs: function(machine, args[0], args[1:], kwargs), method=True)


def _put(machine: Machine, target: ModuleInstance, name: Any, value: Any) -> None:
    if isinstance(name, Unknown):
        target.modules[UNNAMED] = Unknown("the name of a layer")
    elif isinstance(value, ModuleInstance):
        machine._replace(target, name, value)
        target.modules[name] = value
    elif isinstance(value, Tensor):
        if not value.is_parameter and target.cls.name.startswith("Parameter"):
            value = Tensor(value.shape, value.dtype, is_parameter=True)
        target.params[name] = value
    elif value is None:
        target.modules[name] = None
    elif isinstance(value, Unknown) or callable(value) or value is not MISSING:
        # What is not known still takes its place, so that what follows keeps its number.
        target.modules[name] = value


def items_of(target: ModuleInstance) -> dict[str, Any]:
    """What a container holds, by name."""
    if target.cls.name.startswith("Parameter") or (target.params and not target.modules):
        return target.params
    return target.modules


def _init_sequential(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    if len(args) == 1:
        only = machine.host_value(args[0])
        if isinstance(only, dict):
            for name, value in only.items():
                _put(machine, target, str(name), value)
            return
    for index, value in enumerate(args):
        _put(machine, target, str(index), value)


def _init_list(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    source = args[0] if args else kwargs.get("modules", kwargs.get("values"))
    if source is not None:
        _extend(machine, target, [source], {})


def _init_dict(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    source = args[0] if args else kwargs.get("modules", kwargs.get("parameters"))
    if source is not None:
        _update(machine, target, [source], {})


def _append(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    _put(machine, target, str(len(items_of(target))), args[0] if args else kwargs.get("module"))
    return target


def _extend(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    machine.uncertain += isinstance(args[0], Unknown)
    try:
        for value in machine.iterate(args[0]):
            _append(machine, target, [value], {})
    finally:
        machine.uncertain -= isinstance(args[0], Unknown)
    return target


def _renumber(target: ModuleInstance, values: list[Any]) -> None:
    table = items_of(target)
    table.clear()
    table.update((str(index), value) for index, value in enumerate(values))


def _insert(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    values = list(items_of(target).values())
    if isinstance(args[0], int):
        values.insert(args[0], args[1])
        _renumber(target, values)


def _pop(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    values = list(items_of(target).values())
    value = values.pop(args[0] if args else -1)
    _renumber(target, values)
    return value


def _getitem(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    index = machine.host_value(args[0])
    values = list(items_of(target).values())
    if isinstance(index, slice):
        return _sliced(machine, target, index, values)
    if isinstance(index, str) and target.cls.derives(machine.torch_classes["Sequential"]):
        return items_of(target)[index]
    if isinstance(index, Unknown):
        return values[0] if len(values) == 1 else Unknown("item of a container")
    return values[index]


def _sliced(machine: Machine, target: ModuleInstance, index: slice, values: list[Any]) -> ModuleInstance:
    machine.inside_torch += 1
    try:
        made: ModuleInstance = machine.classes.new_module(target.cls)
    finally:
        machine.inside_torch -= 1
    picked = list(items_of(target).items())[index]
    keep = target.cls.derives(machine.torch_classes["Sequential"])
    for number, (name, value) in enumerate(picked):
        _put(machine, made, name if keep else str(number), value)
    return made


def _setitem(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    index = machine.host_value(args[0])
    table = items_of(target)
    if isinstance(index, int):
        names = list(table)
        _put(machine, target, names[index], args[1])
    elif isinstance(index, str | Unknown):
        _put(machine, target, index, args[1])


def _delitem(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    table = items_of(target)
    if isinstance(args[0], str):
        del table[args[0]]
        return
    names = list(table)
    picked = names[args[0]] if isinstance(args[0], slice) else [names[args[0]]]
    for name in picked:
        del table[name]
    _renumber(target, list(table.values()))


def _iterate(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return Iter(iter(list(items_of(target).values())))


def _length(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return len(items_of(target))


def _contains(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.host_value(args[0]) in items_of(target)


def _named(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return UNKNOWN if isinstance(args[0], Unknown) else items_of(target)[machine.host_value(args[0])]


def _update(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    source = machine.host_of(args[0], "keys")
    if isinstance(source, ModuleInstance):
        pairs: Any = items_of(source).items()
    elif isinstance(source, dict | Instance):
        pairs = machine.mapping(source).items()
    else:
        pairs = [tuple(machine.iterate(pair)) for pair in machine.iterate(source)]
    for pair in list(pairs):
        name, value = pair if len(pair) == 2 else (UNKNOWN, pair[0])
        _put(machine, target, machine.host_value(name), value)


def _get(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return items_of(target).get(machine.host_value(args[0]), args[1] if len(args) > 1 else None)


def _pop_named(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return items_of(target).pop(machine.host_value(args[0]), *args[1:])


def _view(name: str) -> Callable[..., Any]:
    return lambda machine, target, args, kwargs: list(getattr(items_of(target), name)())


def _added(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    made = machine.classes.new_module(target.cls)
    for value in [*items_of(target).values(), *machine.iterate(args[0])]:
        _append(machine, made, [value], {})
    return made


_COMMON: dict[str, Callable[..., Any]] = {"__len__": _length, "__contains__": _contains}
_SEQUENCE: dict[str, Callable[..., Any]] = {
    **_COMMON,
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "pop": _pop,
    "__getitem__": _getitem,
    "__setitem__": _setitem,
    "__delitem__": _delitem,
    "__iter__": _iterate,
    "__add__": _added,
    "__iadd__": _extend,
}
_MAPPING: dict[str, Callable[..., Any]] = {
    **_COMMON,
    "__getitem__": _named,
    "__setitem__": _setitem,
    "__delitem__": lambda machine, target, args, kwargs: items_of(target).pop(args[0], None) and None,
    "__iter__": lambda machine, target, args, kwargs: Iter(iter(list(items_of(target)))),
    "update": _update,
    "get": _get,
    "pop": _pop_named,
    "keys": _view("keys"),
    "values": _view("values"),
    "items": _view("items"),
    "clear": lambda machine, target, args, kwargs: items_of(target).clear(),
}

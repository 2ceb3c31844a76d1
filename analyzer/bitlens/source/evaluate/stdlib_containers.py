"""Containers and their copies: `collections`, `copy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import ClassMethod, Native
from bitlens.source.evaluate.dataclass_fields import tuple_class
from bitlens.source.evaluate.module_methods import copied
from bitlens.source.evaluate.passing import registered
from bitlens.source.evaluate.torch_transformer import clone
from bitlens.source.evaluate.values import ClassValue, Instance, ModuleInstance

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_ABSTRACT = [
    "Iterable",
    "Sequence",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "Collection",
    "Sized",
    "Container",
    "Set",
    "Hashable",
    "Callable",
    "Iterator",
    "Generator",
]


class Deque(list):  # type: ignore[type-arg]
    """`deque`."""

    def appendleft(self, value: Any) -> None:
        """Put a value first."""
        self.insert(0, value)

    def popleft(self) -> Any:
        """Take the first value."""
        return self.pop(0)


class DefaultDict(dict):  # type: ignore[type-arg]
    """`defaultdict` whose factory belongs to the evaluated program."""

    def __init__(self, factory: Any) -> None:
        super().__init__()
        self.factory = factory


def _collections(machine: Machine) -> dict[str, Any]:
    def defaultdict(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = DefaultDict(args[0] if args else None)
        made.update(machine.call_type(dict, args[1:2], kwargs))
        return made

    def namedtuple(args: list[Any], kwargs: dict[str, Any]) -> Any:
        names = args[1] if len(args) > 1 else kwargs.get("field_names", [])
        names = names.replace(",", " ").split() if isinstance(names, str) else list(machine.iterate(names))
        defaults = list(machine.iterate(kwargs.get("defaults") or []))
        cls = ClassValue(str(args[0]), [tuple], {})
        tuple_class(
            machine, cls, names, dict(zip(names[len(names) - len(defaults) :], defaults, strict=False))
        )
        return cls

    def counter(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = DefaultDict(Native("zero", lambda a, k: 0))
        for item in machine.iterate(args[0]) if args else ():
            made[machine.key(item)] = made.get(machine.key(item), 0) + 1
        return made

    def deque(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return Deque(machine.iterate(args[0]) if args else ())

    return {
        "OrderedDict": dict,
        "UserDict": dict,
        "UserList": list,
        "defaultdict": Native("defaultdict", defaultdict),
        "namedtuple": Native("namedtuple", namedtuple),
        "Counter": Native("Counter", counter),
        "deque": Native("deque", deque),
        **abstract_classes(machine),
    }


def abstract_classes(machine: Machine) -> dict[str, Any]:
    """The abstract classes of `collections.abc`."""
    table: dict[str, Any] = {}
    for name in _ABSTRACT:
        table[name] = ClassValue(name, [], {"register": ClassMethod(registered)})
        table[name].traits.add("protocol")
    return table


def _copying(machine: Machine) -> dict[str, Any]:
    def deepcopy(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], ModuleInstance):
            return clone(machine, args[0])
        machine.tick()
        return copied(args[0], {})

    def shallow(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = args[0]
        if isinstance(value, ModuleInstance):
            return clone(machine, value)
        if isinstance(value, Instance):
            made = Instance(value.cls)
            made.attrs, made.host = dict(value.attrs), value.host
            return made
        return type(value)(value) if isinstance(value, list | dict | set) else value

    return {"deepcopy": Native("deepcopy", deepcopy), "copy": Native("copy", shallow)}


MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {
    "collections": _collections,
    "collections.abc": abstract_classes,
    "copy": _copying,
}

"""Truth, iteration and indexing of abstract values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bitlens.source.evaluate.limits import Budget
from bitlens.source.evaluate.tensors import tensor_assign, tensor_item
from bitlens.source.evaluate.undoing import Undoing
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance, Iter, Lazy, Tensor, Unknown

PLAIN = frozenset((int, float, bool, str, tuple, list, dict, set, bytes, complex, frozenset, type(None)))
"""Kinds of Python's own values."""


class Items(Budget):
    """What values hold, and whether they count as true, which is None where that is not known."""

    def truth(self, value: Any) -> bool | None:
        """Whether a value counts as true; None where that is not known."""
        if value is True or value is False:
            return value
        if isinstance(value, Unknown):
            return None
        if isinstance(value, Tensor):
            return bool(value.values) if isinstance(value.values, int | float) else None
        if isinstance(value, Instance):
            return self._instance_truth(value)
        if type(value) in PLAIN or isinstance(value, range):
            return bool(value)
        return True

    def _instance_truth(self, value: Instance) -> bool | None:
        for name in ("__bool__", "__len__"):
            found = value.cls.lookup(name)
            if found is not MISSING:
                return self.truth(self.call(found, [value], {}))
        return bool(value.host) if value.host is not None else True

    def _special(self, value: Any, name: str) -> Any:
        if isinstance(value, Instance):
            return value.cls.lookup(name)
        if isinstance(value, ClassValue) and value.metaclass is not None:
            return value.metaclass.lookup(name)
        return MISSING

    def iterate(self, value: Any) -> Iterator[Any]:
        """The items of a value, counted against the limits; an unknown value gives one unknown item."""
        if isinstance(value, list | tuple):
            return iter(value) if isinstance(value, tuple) else self._live(value)
        if isinstance(value, Iter):
            self.repetition.changed_object(value.number)
            return value.source
        if isinstance(value, range):
            self.allocate(len(value) if len(value) < 2**60 else 2**60)
            return iter(value)
        if isinstance(value, dict | set | frozenset):
            return iter(list(value))
        if isinstance(value, str | bytes):
            return iter(value)
        if isinstance(value, Unknown):
            return iter([Unknown("item")])
        if isinstance(value, Tensor):
            return iter(tensor_item(value))
        return self._iterate_object(value)

    def _live(self, value: list[Any]) -> Iterator[Any]:
        """A list while it may grow: a loop that appends to what it iterates meets the step limit."""
        index = 0
        while index < len(value):
            if index & 0x3FF == 0x3FF:
                self.steps += 0x400
                self.tick()
            yield value[index]
            index += 1

    def _iterate_object(self, value: Any) -> Iterator[Any]:
        found = self._special(value, "__iter__")
        if found is not MISSING:
            made = self.call(found, [value], {})
            if made is value:
                return self._next_calls(value)
            return self.iterate(made)
        if isinstance(value, Instance) and value.host is not None:
            return self.iterate(value.host)
        if isinstance(value, ClassValue) and "enum" in value.traits:
            return iter(self.enum_members(value))
        if isinstance(value, Instance) and value.cls.lookup("__getitem__") is not MISSING:
            return self._by_index(value)
        if isinstance(value, Instance) and "unknown" in value.cls.traits:
            return iter([Unknown("item")])
        raise self.error("TypeError", f"{value!r} is not iterable")

    def _next_calls(self, value: Any) -> Iterator[Any]:
        while True:
            self.tick()
            self.tries += 1
            try:
                item = self.call_method(value, "__next__", [], {})
            except Exception as error:
                if self.is_error(error, "StopIteration"):
                    return
                raise
            finally:
                self.tries -= 1
            yield item

    def _by_index(self, value: Any) -> Iterator[Any]:
        index = 0
        while True:
            self.tick()
            self.tries += 1
            try:
                item = self.getitem(value, index)
            except Exception as error:
                if self.is_error(error, "IndexError"):
                    return
                raise
            finally:
                self.tries -= 1
            yield item
            index += 1

    def getitem(self, target: Any, key: Any) -> Any:
        """`target[key]`."""
        kind = type(target)
        if isinstance(key, Unknown):
            return self._getitem_unknown(target)
        if kind is dict:
            return self._dict_item(target, key)
        if kind in (list, tuple, str, bytes) or isinstance(target, range):
            return target[self.index(key)]
        if isinstance(target, Instance):
            return self._instance_item(target, key)
        if isinstance(target, Unknown):
            return UNKNOWN
        if isinstance(target, Tensor):
            return tensor_item(target, key)
        if isinstance(target, ClassValue):
            return self._class_item(target, key)
        if isinstance(target, type):
            return target
        if isinstance(target, dict):
            return self._dict_item(target, key)
        return UNKNOWN

    def _dict_item(self, target: dict[Any, Any], key: Any) -> Any:
        key = self.key(key)
        if key in target or not hasattr(target, "factory"):
            value = target[key]
            return value.force() if type(value) is Lazy else value
        self.repetition.changed_host(target)
        target[key] = self.call(target.factory, [], {})
        return target[key]

    def _getitem_unknown(self, target: Any) -> Any:
        """Any of the items: one if they are all the same, or if there is only one; of a class, what a
        parameter of a generic class leaves it."""
        if isinstance(target, type) or (isinstance(target, ClassValue) and "enum" not in target.traits):
            found = MISSING if isinstance(target, type) else self._special(target, "__getitem__")
            return target if found is MISSING else UNKNOWN
        items = (
            list(target.values())
            if isinstance(target, dict)
            else list(target)
            if isinstance(target, list | tuple)
            else []
        )
        if items and all(item is items[0] for item in items):
            return items[0]
        return Unknown("item")

    def _instance_item(self, target: Instance, key: Any) -> Any:
        found = target.cls.lookup("__getitem__")
        if found is not MISSING:
            return self.call(found, [target, key], {})
        if target.host is None:
            if "unknown" in target.cls.traits:
                return UNKNOWN
            raise self.error("TypeError", f"{target!r} has no items")
        missing = target.cls.lookup("__missing__")
        if missing is not MISSING and isinstance(target.host, dict) and self.key(key) not in target.host:
            return self.call(missing, [target, key], {})
        return self.getitem(target.host, key)

    def _class_item(self, target: ClassValue, key: Any) -> Any:
        if "enum" in target.traits:
            return self.getattr(target, key)
        found = self._special(target, "__getitem__")
        if found is not MISSING:
            return self.call(found, [target, key], {})
        found = target.lookup("__class_getitem__")
        return target if found is MISSING else self.call(found, [target, key], {})

    def index(self, key: Any) -> Any:
        """An index as Python's own value."""
        value = self.host_value(key)
        if isinstance(value, Tensor):
            value = value.values
        return value

    def setitem(self, target: Any, key: Any, value: Any) -> None:
        """`target[key] = value`."""
        if isinstance(target, dict):
            self.repetition.changed_host(target)
            target[self.key(key)] = value
        elif isinstance(target, list):
            if not isinstance(key, Unknown):
                self.repetition.changed_host(target)
                target[self.index(key)] = value
        elif isinstance(target, Tensor):
            self.repetition.changed(target.number)
            tensor_assign(target, self.index(key), self.index(value))
        elif isinstance(target, Instance):
            found = target.cls.lookup("__setitem__")
            if found is not MISSING:
                self.call(found, [target, key, value], {})
            elif target.host is not None:
                self.setitem(target.host, key, value)

    def delitem(self, target: Any, key: Any) -> None:
        """`del target[key]`."""
        if isinstance(target, Instance):
            found = target.cls.lookup("__delitem__")
            if found is not MISSING:
                self.call(found, [target, key], {})
                return
            target = target.host
        if isinstance(target, dict | list) and not isinstance(key, Unknown):
            self.repetition.changed_host(target)
            del target[self.key(key) if isinstance(target, dict) else self.index(key)]

    def key(self, value: Any) -> Any:
        """A value as the key of a dict; lists of tuples and the like are Python's own error."""
        if (
            isinstance(value, Instance)
            and value.host is not None
            and isinstance(value.host, str | int | tuple)
        ):
            return value.host
        return value

    def host_value(self, value: Any) -> Any:
        """The Python value that an object of a derived class (a str Enum, a list subclass) stands for."""
        return value.host if isinstance(value, Instance) and value.host is not None else value

    def host_of(self, value: Any, method: str) -> Any:
        """As `host_value`, unless the class defines the method itself."""
        if isinstance(value, Instance) and value.host is not None and value.cls.lookup(method) is MISSING:
            return value.host
        return value

    def unpack(self, value: Any, count: int, star: int | None) -> list[Any]:
        """The values for `a, *b, c = value`."""
        if isinstance(value, Unknown) or (isinstance(value, Tensor) and value.shape is None):
            return [Unknown("unpacked") for _ in range(count)]
        items = list(self.iterate(value))
        if star is None:
            if len(items) != count:
                raise self.error("ValueError", f"{len(items)} values for {count} names")
            return items
        after = count - star - 1
        if len(items) < count - 1:
            raise self.error("ValueError", f"{len(items)} values for {count} names")
        return [*items[:star], items[star : len(items) - after], *items[len(items) - after :]]

    def make_set(self, items: list[Any]) -> set[Any]:
        """A set."""
        return {self.key(item) for item in items}

    def mapping(self, value: Any) -> dict[Any, Any]:
        """What `**value` spreads."""
        value = self.host_of(value, "keys")
        if isinstance(value, dict):
            return value
        if isinstance(value, Instance) and value.cls.lookup("keys") is not MISSING:
            return {
                key: self.getitem(value, key) for key in self.iterate(self.call_method(value, "keys", [], {}))
            }
        return {}

    # Defined by the other parts of the machine.
    repetition: Any
    undoing: Undoing
    call: Callable[[Any, list[Any], dict[str, Any]], Any]
    call_method: Callable[[Any, str, list[Any], dict[str, Any]], Any]
    getattr: Callable[..., Any]
    equal: Callable[[Any, Any], Any]
    error: Callable[[str, str], Exception]
    is_error: Callable[[Exception, str], bool]
    enum_members: Callable[[ClassValue], list[Any]]

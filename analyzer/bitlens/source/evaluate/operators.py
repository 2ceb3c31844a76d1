"""Operators, comparison, truth, iteration and indexing on abstract values."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.limits import Budget
from bitlens.source.evaluate.symbolic import Symbolic, combine
from bitlens.source.evaluate.tensors import tensor_binary, tensor_compare, tensor_item, tensor_unary
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    DType,
    Instance,
    Iter,
    LimitReached,
    ModuleInstance,
    Tensor,
    Unknown,
    Varying,
)

if TYPE_CHECKING:
    pass

_BINARY: dict[type, tuple[Callable[[Any, Any], Any], str]] = {
    ast.Add: (operator.add, "add"),
    ast.Sub: (operator.sub, "sub"),
    ast.Mult: (operator.mul, "mul"),
    ast.Div: (operator.truediv, "truediv"),
    ast.FloorDiv: (operator.floordiv, "floordiv"),
    ast.Mod: (operator.mod, "mod"),
    ast.Pow: (operator.pow, "pow"),
    ast.LShift: (operator.lshift, "lshift"),
    ast.RShift: (operator.rshift, "rshift"),
    ast.BitOr: (operator.or_, "or"),
    ast.BitAnd: (operator.and_, "and"),
    ast.BitXor: (operator.xor, "xor"),
    ast.MatMult: (operator.matmul, "matmul"),
}
_COMPARE: dict[type, tuple[Callable[[Any, Any], Any], str, str]] = {
    ast.Lt: (operator.lt, "lt", "gt"),
    ast.LtE: (operator.le, "le", "ge"),
    ast.Gt: (operator.gt, "gt", "lt"),
    ast.GtE: (operator.ge, "ge", "le"),
}
_UNARY: dict[type, tuple[Callable[[Any], Any], str]] = {
    ast.USub: (operator.neg, "neg"),
    ast.UAdd: (operator.pos, "pos"),
    ast.Invert: (operator.invert, "invert"),
}
NUMBERS = (int, float)
_PLAIN = frozenset((int, float, bool, str, tuple, list, dict, set, bytes, complex, frozenset, type(None)))
SIZED = (list, tuple, str, bytes)


class Operators(Budget):
    """The operators. `None` as a truth value means that it is not known."""

    def binary(self, kind: type) -> Callable[[Any, Any], Any]:
        """The function that applies a binary operator."""
        host, name = _BINARY[kind]

        def apply(left: Any, right: Any) -> Any:
            kinds = type(left), type(right)
            if kinds == (int, int) and name in ("add", "sub", "floordiv"):
                return host(left, right)
            if kinds[0] in _PLAIN and kinds[1] in _PLAIN:
                self._guard(name, left, right)
                return host(left, right)
            return self._binary(host, name, left, right)

        return apply

    def _binary(self, host: Callable[[Any, Any], Any], name: str, left: Any, right: Any) -> Any:
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            return tensor_binary(name, left, right)
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return combine(name, left, right)
        for target, other, method in ((left, right, f"__{name}__"), (right, left, f"__r{name}__")):
            if isinstance(target, Instance):
                found = target.cls.lookup(method)
                if found is not MISSING:
                    return self.call(found, [target, other], {})
        left, right = self.host_value(left), self.host_value(right)
        if name == "or" and (_is_class(left) or _is_class(right)):
            return (*_options(left), *_options(right))
        if isinstance(left, Instance | ClassValue | DType) or isinstance(
            right, Instance | ClassValue | DType
        ):
            return UNKNOWN
        self._guard(name, left, right)
        return host(left, right)

    def _guard(self, name: str, left: Any, right: Any) -> None:
        """Refuse results that would be huge."""
        if name == "mul":
            for sized, count in ((left, right), (right, left)):
                if isinstance(sized, SIZED) and isinstance(count, int):
                    self.allocate(len(sized) * max(count, 0))
        elif name == "add" and isinstance(left, SIZED) and isinstance(right, SIZED):
            self.allocate(len(left) + len(right))
        elif name == "pow" and isinstance(left, int) and isinstance(right, int):
            self._check_bits(left.bit_length() * max(right, 0))
        elif name == "lshift" and isinstance(right, int):
            self._check_bits(right)
        elif name == "mod" and isinstance(left, str | bytes):
            self.check_format(left)
        if name == "mul" and isinstance(left, int) and isinstance(right, int):
            self._check_bits(left.bit_length() + right.bit_length())

    def _check_bits(self, bits: int) -> None:
        if bits > self.limits.number_bits:
            raise LimitReached(f"integers of {self.limits.number_bits:,} bits")

    def check_format(self, text: str | bytes) -> None:
        """Refuse a format with a huge width, or the widths that arguments give (`*`)."""
        digits = 0
        for character in text if isinstance(text, str) else text.decode("latin-1"):
            digits = digits + 1 if character.isdigit() else 0
            if digits > 4:
                raise LimitReached("a width of 10,000 characters in a format")

    def in_place(self, kind: type) -> Callable[[Any, Any], Any]:
        """The function that applies `+=` and its like: lists change, everything else is replaced."""
        apply = self.binary(kind)
        name = _BINARY[kind][1]

        def change(left: Any, right: Any) -> Any:
            if kind is ast.Add and type(left) is list:
                self.repetition.changed_host(left)
                left.extend(self.iterate(right) if not isinstance(right, Unknown) else [right])
                return left
            if kind is ast.BitOr and isinstance(left, dict | set) and not isinstance(right, Unknown):
                self.repetition.changed_host(left)
                left.update(right)
                return left
            if isinstance(left, Instance):
                found = left.cls.lookup(f"__i{name}__")
                if found is not MISSING:
                    return self.call(found, [left, right], {})
            return apply(left, right)

        return change

    def unary(self, kind: type) -> Callable[[Any], Any]:
        """The function that applies a unary operator."""
        if kind is ast.Not:
            return self.negate
        host, name = _UNARY[kind]

        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return tensor_unary(name, value)
            if isinstance(value, Symbolic) and name == "neg":
                return combine("mul", value, -1)
            if isinstance(value, Unknown | ClassValue):
                return UNKNOWN
            if isinstance(value, Instance):
                found = value.cls.lookup(f"__{name}__")
                return UNKNOWN if found is MISSING else self.call(found, [value], {})
            return host(value)

        return apply

    def negate(self, value: Any) -> Any:
        """`not value`."""
        known = self.truth(value)
        return UNKNOWN if known is None else not known

    def comparison(self, kind: type) -> Callable[[Any, Any], Any]:
        """The function that applies one comparison operator."""
        special = {
            ast.Eq: self.equal,
            ast.NotEq: lambda a, b: self.negate(self.equal(a, b)),
            ast.Is: self.identical,
            ast.IsNot: lambda a, b: self.negate(self.identical(a, b)),
            ast.In: lambda a, b: self.contains(b, a),
            ast.NotIn: lambda a, b: self.negate(self.contains(b, a)),
        }
        if kind in special:
            return special[kind]
        host, name, mirrored = _COMPARE[kind]

        def compare(left: Any, right: Any) -> Any:
            if type(left) in _PLAIN and type(right) in _PLAIN:
                return host(left, right)
            for target, other, method in ((left, right, name), (right, left, mirrored)):
                if isinstance(target, Instance):
                    found = target.cls.lookup(f"__{method}__")
                    if found is not MISSING:
                        return self.call(found, [target, other], {})
            left, right = self.host_value(left), self.host_value(right)
            if isinstance(left, Unknown | Tensor | Instance) or isinstance(
                right, Unknown | Tensor | Instance
            ):
                return self._compare_tensors(host, left, right)
            return host(left, right)

        return compare

    def _compare_tensors(self, host: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        return tensor_compare(host, left, right)

    def equal(self, left: Any, right: Any) -> Any:
        """`left == right`."""
        if type(left) in _PLAIN and type(right) in _PLAIN:
            return (
                left == right
                if not _has_unknown(left) and not _has_unknown(right)
                else self._deep_equal(left, right)
            )
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return True if left is right and isinstance(left, Symbolic) else UNKNOWN
        for target, other in ((left, right), (right, left)):
            if isinstance(target, Instance):
                found = target.cls.lookup("__eq__")
                if found is not MISSING:
                    return self.call(found, [target, other], {})
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            return tensor_compare(operator.eq, left, right)
        left, right = self.host_value(left), self.host_value(right)
        return left is right or (type(left) is type(right) and left == right)

    def _deep_equal(self, left: Any, right: Any) -> Any:
        if type(left) is type(right) and isinstance(left, list | tuple):
            if len(left) != len(right):
                return False
            results = [self.equal(a, b) for a, b in zip(left, right, strict=True)]
            if any(result is False for result in results):
                return False
            return True if all(result is True for result in results) else UNKNOWN
        return UNKNOWN if type(left) is type(right) else False

    def identical(self, left: Any, right: Any) -> Any:
        """`left is right`."""
        if left is right:
            return True
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            varying = type(left) is Varying and right is None
            return False if varying or (type(right) is Varying and left is None) else UNKNOWN
        if type(left) in (int, str, float, bool) and type(left) is type(right):
            return left == right
        return False

    def contains(self, container: Any, item: Any) -> Any:
        """`item in container`."""
        container = self.host_of(container, "__contains__")
        if isinstance(container, Instance | ClassValue):
            return self._contains_instance(container, item)
        if isinstance(container, Unknown | Tensor):
            return UNKNOWN
        if isinstance(item, Unknown):
            return UNKNOWN if container else False
        if isinstance(container, dict | set | frozenset):
            item = self.key(item)
            return item in container
        if isinstance(container, str | bytes | range):
            return self.host_value(item) in container
        doubt = False
        for value in self.iterate(container):
            known = self.truth(self.equal(value, item))
            if known:
                return True
            doubt = doubt or known is None
        return UNKNOWN if doubt else False

    def _contains_instance(self, container: Any, item: Any) -> Any:
        if isinstance(container, ModuleInstance):
            return item in container.modules
        found = self._special(container, "__contains__")
        if found is not MISSING:
            return self.call(found, [container, item], {})
        return any(self.truth(self.equal(value, item)) for value in self.iterate(container))

    def _special(self, value: Any, name: str) -> Any:
        if isinstance(value, Instance):
            return value.cls.lookup(name)
        if isinstance(value, ClassValue) and value.metaclass is not None:
            return value.metaclass.lookup(name)
        return MISSING

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
        if type(value) in _PLAIN or isinstance(value, range):
            return bool(value)
        return True

    def _instance_truth(self, value: Instance) -> bool | None:
        for name in ("__bool__", "__len__"):
            found = value.cls.lookup(name)
            if found is not MISSING:
                return self.truth(self.call(found, [value], {}))
        return bool(value.host) if value.host is not None else True

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
            return target[key]
        self.repetition.changed_host(target)
        target[key] = self.call(target.factory, [], {})
        return target[key]

    def _getitem_unknown(self, target: Any) -> Any:
        """Any of the items: one if they are all the same, or if there is only one."""
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
    call: Callable[[Any, list[Any], dict[str, Any]], Any]
    call_method: Callable[[Any, str, list[Any], dict[str, Any]], Any]
    getattr: Callable[..., Any]
    error: Callable[[str, str], Exception]
    is_error: Callable[[Exception, str], bool]
    enum_members: Callable[[ClassValue], list[Any]]


def _has_unknown(value: Any) -> bool:
    return type(value) in (list, tuple) and any(
        type(item) not in _PLAIN or type(item) in (list, tuple) for item in value
    )


def _is_class(value: Any) -> bool:
    return isinstance(value, ClassValue | type) or (isinstance(value, tuple) and any(map(_is_class, value)))


def _options(value: Any) -> tuple[Any, ...]:
    """`A | B` of classes, as the tuple that isinstance takes."""
    if isinstance(value, tuple):
        return value
    return (type(None),) if value is None else (value,)

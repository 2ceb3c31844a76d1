"""Operators and comparisons on abstract values."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.items import PLAIN, Items
from bitlens.source.evaluate.symbolic import Symbolic, combine
from bitlens.source.evaluate.tensors import tensor_binary, tensor_compare, tensor_unary
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    DType,
    Instance,
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
_WIDE = re.compile(r"[%:{][^%{}a-zA-Z]*\d{5}")
"""Five digits in a field of a format: after `%`, or after the `:` of a replacement field."""
NUMBERS = (int, float)
_SETS = {list, set, frozenset}
"""What an operator of sets takes; a list stands for the keys or items of a dict."""
SIZED = (list, tuple, str, bytes)


class Operators(Items):
    """The operators. `None` as a truth value means that it is not known."""

    def binary(self, kind: type) -> Callable[[Any, Any], Any]:
        """The function that applies a binary operator."""
        host, name = _BINARY[kind]
        small = name in ("add", "sub", "floordiv", "truediv", "mod")
        views = name in ("sub", "and", "or", "xor")

        def apply(left: Any, right: Any) -> Any:
            first, second = type(left), type(right)
            if small and (first is int or first is float) and (second is int or second is float):
                return host(left, right)
            if views and (first is list or second is list) and {first, second} <= _SETS:
                return host(set(left), set(right))
            if first in PLAIN and second in PLAIN:
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
        """Refuse a format with a huge width; other digits than those of a field are text."""
        if _WIDE.search(text if isinstance(text, str) else text.decode("latin-1")):
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
            if type(left) in PLAIN and type(right) in PLAIN:
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
        if type(left) in PLAIN and type(right) in PLAIN:
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


def _has_unknown(value: Any) -> bool:
    return type(value) in (list, tuple) and any(
        type(item) not in PLAIN or type(item) in (list, tuple) for item in value
    )


def _is_class(value: Any) -> bool:
    return isinstance(value, ClassValue | type) or (isinstance(value, tuple) and any(map(_is_class, value)))


def _options(value: Any) -> tuple[Any, ...]:
    """`A | B` of classes, as the tuple that isinstance takes."""
    if isinstance(value, tuple):
        return value
    return (type(None),) if value is None else (value,)

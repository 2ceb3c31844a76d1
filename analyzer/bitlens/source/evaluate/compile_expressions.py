"""Turns expressions into Python closures: each takes a frame and gives a value.

Closures are made once for each statement of a file and run many times, which is several times faster than
walking
the tree.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.compile_comprehensions import Comprehensions
from bitlens.source.evaluate.compiler import Expression
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import UNKNOWN, Unknown

if TYPE_CHECKING:
    pass


class Expressions(Comprehensions):
    """Compiles the expressions of one top-level statement, whose first line is `offset` + 1 in the file."""

    def expression(self, node: ast.expr | None) -> Expression:
        """The closure of any expression."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return lambda f: UNKNOWN
        return handler(self, node)

    def constant(self, node: ast.Constant) -> Expression:
        """The closure of `constant`."""
        value = node.value
        return lambda f: value

    def attribute(self, node: ast.Attribute) -> Expression:
        """The closure of `attribute`."""
        value, name, getattr_ = self.expression(node.value), self.private(node.attr), self.machine.getattr
        line = node.lineno + self.offset

        def load(f: Frame) -> Any:
            target = value(f)
            f.line = line
            return getattr_(target, name)

        return load

    def subscript(self, node: ast.Subscript) -> Expression:
        """The closure of `subscript`."""
        value, index, getitem = self.expression(node.value), self.expression(node.slice), self.machine.getitem
        line = node.lineno + self.offset

        def load(f: Frame) -> Any:
            target = value(f)
            key = index(f)
            f.line = line
            return getitem(target, key)

        return load

    def slice(self, node: ast.Slice) -> Expression:
        """The closure of `slice`."""
        lower, upper, step = (
            self.expression(part) if part is not None else (lambda f: None)
            for part in (node.lower, node.upper, node.step)
        )

        def make(f: Frame) -> Any:
            parts = (lower(f), upper(f), step(f))
            return UNKNOWN if any(isinstance(part, Unknown) for part in parts) else slice(*parts)

        return make

    def binary(self, node: ast.BinOp) -> Expression:
        """The closure of `binary`."""
        left, right, operator = self.expression(node.left), self.expression(node.right), type(node.op)
        apply = self.machine.binary(operator)
        return lambda f: apply(left(f), right(f))

    def boolean(self, node: ast.BoolOp) -> Expression:
        """The closure of `boolean`."""
        machine = self.machine
        parts, truth = [self.expression(value) for value in node.values], machine.truth
        stop_at = isinstance(node.op, ast.Or)

        def evaluate(f: Frame) -> Any:
            value: Any = None
            doubt = None
            for part in parts:
                value = part(f)
                known = truth(value)
                if known is None:
                    machine.doubts += 1
                    doubt = doubt or value
                elif known is stop_at:
                    # `unknown or True` is true, `unknown and False` is false, whatever the unknown is.
                    return value
            return doubt if doubt is not None else value

        return evaluate

    def comparison(self, node: ast.Compare) -> Expression:
        """The closure of `comparison`."""
        left = self.expression(node.left)
        rest = [
            (self.machine.comparison(type(op)), self.expression(c))
            for op, c in zip(node.ops, node.comparators, strict=False)
        ]
        if len(rest) == 1:
            compare, right = rest[0]
            return lambda f: compare(left(f), right(f))
        truth = self.machine.truth

        def chain(f: Frame) -> Any:
            value, result = left(f), True
            for compare, part in rest:
                following = part(f)
                result = compare(value, following)
                if truth(result) is not True:
                    return result
                value = following
            return result

        return chain

    def unary(self, node: ast.UnaryOp) -> Expression:
        """The closure of `unary`."""
        operand, apply = self.expression(node.operand), self.machine.unary(type(node.op))
        return lambda f: apply(operand(f))

    def conditional(self, node: ast.IfExp) -> Expression:
        """The closure of `conditional`."""
        test, body, orelse = (
            self.expression(node.test),
            self.expression(node.body),
            self.expression(node.orelse),
        )
        machine = self.machine

        def choose(f: Frame) -> Any:
            known = machine.truth(test(f))
            if known is None:
                return machine.either(lambda: body(f), lambda: orelse(f))
            return body(f) if known else orelse(f)

        return choose

    def tuple(self, node: ast.Tuple) -> Expression:
        """The closure of `tuple`."""
        gather = self._positional(node.elts)
        return lambda f: tuple(gather(f))

    def list(self, node: ast.List) -> Expression:
        """The closure of `list`."""
        gather, machine = self._positional(node.elts), self.machine
        return lambda f: machine.repetition.born(gather(f))

    def set(self, node: ast.Set) -> Expression:
        """The closure of `set`."""
        gather, machine = self._positional(node.elts), self.machine
        return lambda f: machine.repetition.born(machine.make_set(gather(f)))

    def dict(self, node: ast.Dict) -> Expression:
        """The closure of `dict`."""
        pairs = [
            (None if k is None else self.expression(k), self.expression(v))
            for k, v in zip(node.keys, node.values, strict=False)
        ]
        machine = self.machine

        def make(f: Frame) -> Any:
            result: dict[Any, Any] = machine.repetition.born({})
            for key, value in pairs:
                if key is None:
                    result.update(machine.mapping(value(f)))
                else:
                    result[machine.key(key(f))] = value(f)
            return result

        return make

    def joined(self, node: ast.JoinedStr) -> Expression:
        """The closure of `joined`."""
        parts = [self.expression(value) for value in node.values]
        machine = self.machine

        def make(f: Frame) -> Any:
            texts = [part(f) for part in parts]
            if any(isinstance(text, Unknown) for text in texts):
                return Unknown("text")
            machine.allocate(sum(map(len, texts)))
            return "".join(texts)

        return make

    def formatted(self, node: ast.FormattedValue) -> Expression:
        """The closure of `formatted`."""
        value, machine = self.expression(node.value), self.machine
        spec = self.expression(node.format_spec) if node.format_spec is not None else (lambda f: "")
        conversion = node.conversion
        return lambda f: machine.format(value(f), conversion, spec(f))

    def starred(self, node: ast.Starred) -> Expression:
        """The closure of `starred`."""
        return self.expression(node.value)


_HANDLERS: dict[Any, Callable[[Any, Any], Expression]] = {
    ast.Constant: Expressions.constant,
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript,
    ast.Slice: Expressions.slice,
    ast.Call: Expressions.call,
    ast.BinOp: Expressions.binary,
    ast.BoolOp: Expressions.boolean,
    ast.Compare: Expressions.comparison,
    ast.UnaryOp: Expressions.unary,
    ast.IfExp: Expressions.conditional,
    ast.NamedExpr: Expressions.walrus,
    ast.Tuple: Expressions.tuple,
    ast.List: Expressions.list,
    ast.Set: Expressions.set,
    ast.Dict: Expressions.dict,
    ast.ListComp: Expressions.comprehension,
    ast.SetComp: Expressions.comprehension,
    ast.DictComp: Expressions.comprehension,
    ast.GeneratorExp: Expressions.comprehension,
    ast.Lambda: Expressions.lambda_,
    ast.JoinedStr: Expressions.joined,
    ast.FormattedValue: Expressions.formatted,
    ast.Starred: Expressions.starred,
    ast.Yield: Expressions.yield_,
    ast.YieldFrom: Expressions.yield_from,
}

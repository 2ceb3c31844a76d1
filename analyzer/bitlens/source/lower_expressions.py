"""Lowers libcst expressions to `ast` expressions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from bitlens.source.literals import identifier, number_value, string_value
from bitlens.source.lower_base import ABSENT, LOAD, STORE, LoweringError
from bitlens.source.lower_comprehensions import Comprehensions
from bitlens.source.lower_strings import joined

BINARY: dict[type, ast.operator] = {
    cst.Add: ast.Add(),
    cst.Subtract: ast.Sub(),
    cst.Multiply: ast.Mult(),
    cst.Divide: ast.Div(),
    cst.FloorDivide: ast.FloorDiv(),
    cst.Modulo: ast.Mod(),
    cst.Power: ast.Pow(),
    cst.LeftShift: ast.LShift(),
    cst.RightShift: ast.RShift(),
    cst.BitOr: ast.BitOr(),
    cst.BitAnd: ast.BitAnd(),
    cst.BitXor: ast.BitXor(),
    cst.MatrixMultiply: ast.MatMult(),
}
_UNARY: dict[type, ast.unaryop] = {
    cst.Plus: ast.UAdd(),
    cst.Minus: ast.USub(),
    cst.BitInvert: ast.Invert(),
    cst.Not: ast.Not(),
}
_COMPARE: dict[type, ast.cmpop] = {
    cst.LessThan: ast.Lt(),
    cst.GreaterThan: ast.Gt(),
    cst.Equal: ast.Eq(),
    cst.LessThanEqual: ast.LtE(),
    cst.GreaterThanEqual: ast.GtE(),
    cst.NotEqual: ast.NotEq(),
    cst.In: ast.In(),
    cst.NotIn: ast.NotIn(),
    cst.Is: ast.Is(),
    cst.IsNot: ast.IsNot(),
}
_CONSTANTS = {"True": True, "False": False, "None": None}


class Expressions(Comprehensions):
    """One method per kind of libcst expression; each takes exactly that expression's tokens."""

    def expression(self, node: Any, context: ast.expr_context = LOAD) -> ast.expr:
        """Lower any expression with the parentheses around it."""
        parentheses = len(node.lpar)
        kind = type(node)
        if parentheses and (kind is cst.Tuple or kind is cst.GeneratorExp):
            self.at += parentheses - 1
            start = self.at
            self.at += 1
            result = _HANDLERS[kind](self, node, context)
            self.at += 1
            self.place(result, start)
            self.at += parentheses - 1
            return result
        self.at += parentheses
        start = self.at
        handler = _HANDLERS.get(kind)
        if handler is None:
            raise LoweringError(f"unknown syntax {kind.__name__}")
        result = self.place(handler(self, node, context), start)
        self.at += len(node.rpar)
        return result

    def optional_expression(self, node: cst.BaseExpression | None) -> ast.expr | None:
        """Lower an expression that may be missing."""
        return None if node is None else self.expression(node)

    def name(self, node: cst.Name, context: ast.expr_context) -> ast.expr:
        """A name, or one of the three constants that libcst calls names."""
        self.at += 1
        if node.value in _CONSTANTS:
            return ast.Constant(_CONSTANTS[node.value], None)
        return ast.Name(identifier(node.value), context)

    def attribute(self, node: cst.Attribute, context: ast.expr_context) -> ast.expr:
        """`value.attr`."""
        value = self.expression(node.value)
        self.at += 2
        return ast.Attribute(value, identifier(node.attr.value), context)

    def ellipsis(self, node: cst.Ellipsis, context: ast.expr_context) -> ast.expr:
        """`...`, three tokens."""
        self.at += 3
        return ast.Constant(..., None)

    def number(self, node: cst.BaseNumber, context: ast.expr_context) -> ast.expr:
        """An int, float or imaginary literal."""
        self.at += 1
        return ast.Constant(number_value(getattr(node, "value")), None)  # noqa: B009 (the base class declares none)

    def string(self, node: cst.SimpleString, context: ast.expr_context) -> ast.expr:
        """A string or bytes literal."""
        self.at += 1
        return ast.Constant(string_value(node.value), "u" if node.value[0] == "u" else None)

    def strings(self, node: Any, context: ast.expr_context) -> ast.expr:
        """An f-string, or literals that stand side by side."""
        return joined(self, node)

    def binary(self, node: cst.BinaryOperation, context: ast.expr_context) -> ast.expr:
        """`left op right`."""
        left = self.expression(node.left)
        self.at += 1
        return ast.BinOp(left, BINARY[type(node.operator)], self.expression(node.right))

    def boolean(self, node: cst.BooleanOperation, context: ast.expr_context) -> ast.expr:
        """`a and b and c`: libcst nests to the left, `ast` keeps one list."""
        kind = type(node.operator)
        chain = [node]
        while isinstance(chain[-1].left, cst.BooleanOperation) and type(chain[-1].left.operator) is kind:
            if chain[-1].left.lpar:
                break
            chain.append(chain[-1].left)
        values = [self.expression(chain[-1].left)]
        for link in reversed(chain):
            self.at += 1
            values.append(self.expression(link.right))
        return ast.BoolOp(ast.And() if kind is cst.And else ast.Or(), values)

    def comparison(self, node: cst.Comparison, context: ast.expr_context) -> ast.expr:
        """`a < b <= c`."""
        left = self.expression(node.left)
        operators, values = [], []
        for target in node.comparisons:
            kind = type(target.operator)
            self.at += 2 if kind is cst.NotIn or kind is cst.IsNot else 1
            operators.append(_COMPARE[kind])
            values.append(self.expression(target.comparator))
        return ast.Compare(left, operators, values)

    def unary(self, node: cst.UnaryOperation, context: ast.expr_context) -> ast.expr:
        """`not a`, `-a`."""
        self.at += 1
        return ast.UnaryOp(_UNARY[type(node.operator)], self.expression(node.expression))

    def subscript(self, node: cst.Subscript, context: ast.expr_context) -> ast.expr:
        """`value[…]`; several elements, a comma or a star make a tuple."""
        value = self.expression(node.value)
        self.at += 1
        start = self.at
        elements = [self._subscript_element(element) for element in node.slice]
        if len(elements) > 1 or node.slice[0].comma is not ABSENT or isinstance(elements[0], ast.Starred):
            index: ast.expr = self.place(ast.Tuple(elements, LOAD), start)
        else:
            index = elements[0]
        self.at += 1
        return ast.Subscript(value, index, context)

    def _subscript_element(self, node: cst.SubscriptElement) -> ast.expr:
        start = self.at
        result: ast.expr
        if isinstance(node.slice, cst.Slice):
            result = self.place(self._slice(node.slice), start)
        elif getattr(node.slice, "star", None):
            self.at += 1
            result = self.place(ast.Starred(self.expression(node.slice.value), LOAD), start)  # type: ignore[attr-defined]
        else:
            result = self.expression(node.slice.value)  # type: ignore[attr-defined]
        self.optional(node.comma)
        return result

    def _slice(self, node: cst.Slice) -> ast.expr:
        lower = self.optional_expression(node.lower)
        self.at += 1
        upper = self.optional_expression(node.upper)
        self.optional(node.second_colon)
        return ast.Slice(lower, upper, self.optional_expression(node.step))

    def elements(self, nodes: Sequence[Any], context: ast.expr_context) -> list[ast.expr]:
        """Elements of a tuple, list or set."""
        result = []
        for node in nodes:
            if isinstance(node, cst.StarredElement):
                result.append(self.starred(node, context))
            else:
                result.append(self.expression(node.value, context))
            self.optional(node.comma)
        return result

    def starred(self, node: cst.StarredElement, context: ast.expr_context) -> ast.expr:
        """`*value`."""
        self.at += len(node.lpar)
        start = self.at
        self.at += 1
        result = self.place(ast.Starred(self.expression(node.value, context), context), start)
        self.at += len(node.rpar)
        return result

    def tuple(self, node: cst.Tuple, context: ast.expr_context) -> ast.expr:
        """`a, b` with or without parentheses."""
        return ast.Tuple(self.elements(node.elements, context), context)

    def list(self, node: cst.List, context: ast.expr_context) -> ast.expr:
        """`[a, b]`."""
        self.at += 1
        result = ast.List(self.elements(node.elements, context), context)
        self.at += 1
        return result

    def set(self, node: cst.Set, context: ast.expr_context) -> ast.expr:
        """`{a, b}`."""
        self.at += 1
        result = ast.Set(self.elements(node.elements, LOAD))
        self.at += 1
        return result

    def dict(self, node: cst.Dict, context: ast.expr_context) -> ast.expr:
        """`{a: b, **c}`."""
        self.at += 1
        keys: list[ast.expr | None] = []
        values = []
        for element in node.elements:
            keys.append(self.expression(element.key) if isinstance(element, cst.DictElement) else None)
            self.at += 1
            values.append(self.expression(element.value))
            self.optional(element.comma)
        self.at += 1
        return ast.Dict(keys, values)

    def await_(self, node: cst.Await, context: ast.expr_context) -> ast.expr:
        """`await x`."""
        self.at += 1
        return ast.Await(self.expression(node.expression))

    def yield_(self, node: cst.Yield, context: ast.expr_context) -> ast.expr:
        """`yield x` and `yield from x`."""
        self.at += 1
        if isinstance(node.value, cst.From):
            self.at += 1
            return ast.YieldFrom(self.expression(node.value.item))
        return ast.Yield(self.optional_expression(node.value))

    def conditional(self, node: cst.IfExp, context: ast.expr_context) -> ast.expr:
        """`a if test else b`."""
        body = self.expression(node.body)
        self.at += 1
        test = self.expression(node.test)
        self.at += 1
        return ast.IfExp(test, body, self.expression(node.orelse))

    def walrus(self, node: cst.NamedExpr, context: ast.expr_context) -> ast.expr:
        """`name := value`."""
        target = self.expression(node.target, STORE)
        self.at += 1
        return ast.NamedExpr(target, self.expression(node.value))  # type: ignore[arg-type]


_HANDLERS: dict[type, Callable[[Any, Any, ast.expr_context], ast.expr]] = {
    cst.Name: Expressions.name,
    cst.Attribute: Expressions.attribute,
    cst.Ellipsis: Expressions.ellipsis,
    cst.Integer: Expressions.number,
    cst.Float: Expressions.number,
    cst.Imaginary: Expressions.number,
    cst.SimpleString: Expressions.string,
    cst.FormattedString: Expressions.strings,
    cst.ConcatenatedString: Expressions.strings,
    cst.TemplatedString: Expressions.strings,
    cst.BinaryOperation: Expressions.binary,
    cst.BooleanOperation: Expressions.boolean,
    cst.Comparison: Expressions.comparison,
    cst.UnaryOperation: Expressions.unary,
    cst.Lambda: Expressions.lambda_,
    cst.Call: Expressions.call,
    cst.Subscript: Expressions.subscript,
    cst.Tuple: Expressions.tuple,
    cst.List: Expressions.list,
    cst.Set: Expressions.set,
    cst.Dict: Expressions.dict,
    cst.GeneratorExp: Expressions.generator,
    cst.ListComp: Expressions.list_comprehension,
    cst.SetComp: Expressions.set_comprehension,
    cst.DictComp: Expressions.dict_comprehension,
    cst.Await: Expressions.await_,
    cst.Yield: Expressions.yield_,
    cst.IfExp: Expressions.conditional,
    cst.NamedExpr: Expressions.walrus,
    cst.StarredElement: Expressions.starred,
}

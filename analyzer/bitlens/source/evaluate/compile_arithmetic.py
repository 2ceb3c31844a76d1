"""Comprehensions that only compute numbers, as tables of positions are made: Python itself runs those."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import MISSING, Lazy

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

MINIMUM = 64
"""Rounds below which it is not worth asking."""
CHUNK = 4096
"""Rounds between two looks at the limits."""
NODES = 64
"""Parts of an expression: with WIDTH, a bound on the numbers that it makes."""
WIDTH = 64
"""Bits of the numbers that it begins with."""
_NUMBERS = frozenset((int, float, bool))
_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)


class Arithmetic:
    """A comprehension over one variable whose element and tests are arithmetic; NotArithmetic if not."""

    def __init__(self, machine: Machine, variable: str, element: ast.expr, tests: list[ast.expr]) -> None:
        self.machine = machine
        self.variable = variable
        self.free: dict[str, None] = {}
        self.called: list[tuple[ast.expr, int]] = []
        self.nodes = 0
        self.function: Callable[..., list[Any]] | None = None
        target = ast.Name(variable, ast.Store())
        clause = ast.comprehension(target, ast.Name(".items", ast.Load()), [self._of(t) for t in tests], 0)
        self.body = ast.ListComp(self._of(element), [clause])

    def _compiled(self) -> Callable[..., list[Any]]:
        """The function of the items, the power, the free names and the called functions."""
        if self.function is None:
            names = [".items", ".power", *self.free, *(f".call{index}" for index in range(len(self.called)))]
            parameters = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
            tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(parameters, self.body)))
            self.function = eval(compile(tree, "<arithmetic>", "eval"), {"__builtins__": {}})
        return self.function

    def _of(self, node: ast.expr) -> ast.expr:
        self.nodes += 1
        handler = _PARTS.get(type(node))
        if handler is None or self.nodes > NODES:
            raise NotArithmetic
        return handler(self, node)

    def _constant(self, node: ast.Constant) -> ast.expr:
        if not _is_number(node.value):
            raise NotArithmetic
        return ast.Constant(node.value)

    def _name(self, node: ast.Name) -> ast.expr:
        if node.id != self.variable:
            self.free[node.id] = None
        return ast.Name(node.id, ast.Load())

    def _binary(self, node: ast.BinOp) -> ast.expr:
        left, right = self._of(node.left), self._of(node.right)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name(".power", ast.Load()), [left, right], [])
        return ast.BinOp(left, _known(node.op), right)

    def _unary(self, node: ast.UnaryOp) -> ast.expr:
        return ast.UnaryOp(_known(node.op), self._of(node.operand))

    def _boolean(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [self._of(value) for value in node.values])

    def _comparison(self, node: ast.Compare) -> ast.expr:
        rest = [self._of(value) for value in node.comparators]
        return ast.Compare(self._of(node.left), [_known(op) for op in node.ops], rest)

    def _conditional(self, node: ast.IfExp) -> ast.expr:
        return ast.IfExp(self._of(node.test), self._of(node.body), self._of(node.orelse))

    def _call(self, node: ast.Call) -> ast.expr:
        root = node.func
        while isinstance(root, ast.Attribute):
            root = root.value
        if node.keywords or not isinstance(root, ast.Name) or root.id == self.variable:
            raise NotArithmetic
        self.called.append((node.func, len(node.args)))
        name = f".call{len(self.called) - 1}"
        return ast.Call(ast.Name(name, ast.Load()), [self._of(value) for value in node.args], [])

    # Running

    def run(self, items: Sequence[Any], frame: Frame) -> list[Any] | None:
        """The elements, in the names of a comprehension's frame; None where not all are numbers. Raises what
        Python raises."""
        values = [self._value(name, frame) for name in self.free]
        functions = [self._function(node, count, frame) for node, count in self.called]
        if not all(map(_is_number, values)) or None in functions:
            return None
        if type(items) is not range and not all(map(_is_number, items)):
            return None
        self.machine.allocate(len(items))
        function, power = self._compiled(), self.machine.binary(ast.Pow)
        result: list[Any] = []
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            self.machine.charge(len(chunk))
            result += function(chunk, power, *values, *functions)
        return result

    def _value(self, name: str, frame: Frame) -> Any:
        up = frame.up
        while up is not None and name not in up.vars:
            up = up.up
        variables = frame.module.vars if up is None else up.vars
        value = variables.get(name, MISSING)
        if value is MISSING:
            return self.machine.builtins.get(name, MISSING)
        return value.force() if type(value) is Lazy else value

    def _function(self, node: ast.expr, count: int, frame: Frame) -> Any:
        """What computes the same as a called function on so many numbers; None where nothing does."""
        value = self._found(node, frame)
        if type(value) is Native and value.on_numbers is not None and value.on_numbers[0] == count:
            return value.on_numbers[1]
        return value if count == 1 and (value is int or value is float or value is bool) else None

    def _found(self, node: ast.expr, frame: Frame) -> Any:
        if isinstance(node, ast.Name):
            return self._value(node.id, frame)
        assert isinstance(node, ast.Attribute)
        owner = self._found(node.value, frame)
        return self.machine.imports.get(owner, node.attr) if isinstance(owner, Namespace) else MISSING


class NotArithmetic(Exception):
    """An expression may do something else."""


def arithmetic(machine: Machine, node: Any) -> Arithmetic | None:
    """A comprehension as arithmetic; None where it is something else."""
    clause = node.generators[0]
    if len(node.generators) > 1 or not isinstance(clause.target, ast.Name) or not hasattr(node, "elt"):
        return None
    try:
        return Arithmetic(machine, clause.target.id, node.elt, clause.ifs)
    except NotArithmetic:
        return None


def _is_number(value: Any) -> bool:
    kind = type(value)
    return kind in _NUMBERS and (kind is not int or value.bit_length() <= WIDTH)


def _known(operator: Any) -> Any:
    if not isinstance(operator, _OPERATORS):
        raise NotArithmetic
    return operator


_PARTS: dict[type, Callable[[Arithmetic, Any], ast.expr]] = {
    ast.Constant: Arithmetic._constant,
    ast.Name: Arithmetic._name,
    ast.BinOp: Arithmetic._binary,
    ast.UnaryOp: Arithmetic._unary,
    ast.BoolOp: Arithmetic._boolean,
    ast.Compare: Arithmetic._comparison,
    ast.IfExp: Arithmetic._conditional,
    ast.Call: Arithmetic._call,
}

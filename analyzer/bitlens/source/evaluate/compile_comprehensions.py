"""Comprehensions, lambdas and what generators yield."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.compile_arithmetic import MINIMUM, arithmetic
from bitlens.source.evaluate.compile_calls import CallExpressions
from bitlens.source.evaluate.compiler import Expression
from bitlens.source.evaluate.scope import Frame, comprehension_scope
from bitlens.source.evaluate.values import Iter

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


class Comprehensions(CallExpressions):
    """Compiles what runs other expressions many times or later."""

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Expression:
        """Any comprehension; a generator is run to its end at once."""
        outer = self.scope
        first = self.expression(node.generators[0].iter)
        self.scope = comprehension_scope(node.generators)
        if isinstance(node, ast.DictComp):
            key, value = self.expression(node.key), self.expression(node.value)
            element: Expression = lambda f: (key(f), value(f))  # noqa: E731
        else:
            element = self.expression(node.elt)
        clauses = [self._clause(generator, index) for index, generator in enumerate(node.generators)]
        self.scope = outer
        machine, kind = self.machine, type(node)
        numbers = arithmetic(machine, node)

        def run(f: Frame) -> Any:
            inner = Frame({}, f.module, f.up if f.is_class else f)
            inner.line = f.line
            machine.enter(inner)
            try:
                items = first(f)
                many = type(items) in (range, list, tuple) and len(items) >= MINIMUM
                result = numbers.run(items, inner) if numbers is not None and many else None
                if result is None:
                    result = []
                    machine.comprehend(clauses, 0, items, inner, element, result)
            finally:
                machine.leave()
            return _collected(kind, result, machine)

        return run

    def _clause(self, generator: ast.comprehension, index: int) -> Any:
        iterated = None if index == 0 else self.expression(generator.iter)
        return iterated, self.target(generator.target), [self.expression(test) for test in generator.ifs]

    def lambda_(self, node: ast.Lambda) -> Expression:
        """The closure of `lambda`."""
        return self.function_value(node, "<lambda>")

    def yield_(self, node: ast.Yield) -> Expression:
        """The closure of `yield`."""
        value = self.expression(node.value) if node.value is not None else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            machine.yield_values(f, [value(f)])

        return run

    def yield_from(self, node: ast.YieldFrom) -> Expression:
        """The closure of `yield from`."""
        value, machine = self.expression(node.value), self.machine

        def run(f: Frame) -> Any:
            machine.yield_values(f, machine.iterate(value(f)))

        return run


def _collected(kind: type, result: list[Any], machine: Machine) -> Any:
    if kind is ast.ListComp:
        return machine.repetition.born(result)
    if kind is ast.SetComp:
        return machine.repetition.born(machine.make_set(result))
    if kind is ast.DictComp:
        return machine.repetition.born({machine.key(key): value for key, value in result})
    return Iter(iter(result))

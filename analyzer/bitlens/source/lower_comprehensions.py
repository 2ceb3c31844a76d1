"""Lowers comprehensions and generator expressions."""

from __future__ import annotations

import ast
from typing import Any, List, Tuple  # noqa: UP035 - the class has methods named list and tuple

import libcst as cst

from bitlens.source.lower_base import STORE
from bitlens.source.lower_calls import Calls


class Comprehensions(Calls):
    """Comprehensions; each method takes exactly their tokens."""

    def generator(self, node: cst.GeneratorExp, context: ast.expr_context) -> ast.expr:
        """`x for x in y`."""
        return ast.GeneratorExp(*self._comprehension(node))

    def list_comprehension(self, node: cst.ListComp, context: ast.expr_context) -> ast.expr:
        """`[x for x in y]`."""
        self.at += 1
        result = ast.ListComp(*self._comprehension(node))
        self.at += 1
        return result

    def set_comprehension(self, node: cst.SetComp, context: ast.expr_context) -> ast.expr:
        """`{x for x in y}`."""
        self.at += 1
        result = ast.SetComp(*self._comprehension(node))
        self.at += 1
        return result

    def _comprehension(self, node: Any) -> Tuple[ast.expr, List[ast.comprehension]]:  # noqa: UP006
        return self.expression(node.elt), self._clauses(node.for_in)

    def dict_comprehension(self, node: cst.DictComp, context: ast.expr_context) -> ast.expr:
        """`{k: v for …}`."""
        self.at += 1
        key = self.expression(node.key)
        self.at += 1
        value = self.expression(node.value)
        result = ast.DictComp(key, value, self._clauses(node.for_in))
        self.at += 1
        return result

    def _clauses(self, node: cst.CompFor | None) -> List[ast.comprehension]:  # noqa: UP006
        clauses = []
        while node is not None:
            self.optional(node.asynchronous)
            self.at += 1
            target = self.expression(node.target, STORE)
            self.at += 1
            iterated = self.expression(node.iter)
            tests = []
            for condition in node.ifs:
                self.at += 1
                tests.append(self.expression(condition.test))
            clauses.append(ast.comprehension(target, iterated, tests, int(node.asynchronous is not None)))
            node = node.inner_for_in
        return clauses

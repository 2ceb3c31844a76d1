"""Lowers the patterns of `match` statements."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import libcst as cst

from bitlens.source.literals import identifier
from bitlens.source.lower_base import ABSENT, LoweringError
from bitlens.source.lower_expressions import Expressions


class Patterns(Expressions):
    """One method per kind of pattern."""

    def pattern(self, node: Any) -> ast.pattern:
        """Lower any pattern; a parenthesised sequence's range takes in its parentheses."""
        if isinstance(node, cst.MatchValue):
            start = self.at
            return self.place(ast.MatchValue(self.expression(node.value)), start)
        if isinstance(node, cst.MatchSingleton):
            return self._singleton(node)
        parentheses = len(node.lpar)
        inside = isinstance(node, cst.MatchTuple) and parentheses > 0
        self.at += parentheses - inside
        start = self.at
        self.at += inside
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise LoweringError(f"unknown pattern {type(node).__name__}")
        result = handler(self, node)
        self.at += inside
        self.place(result, start)
        self.at += parentheses - inside
        return result

    def _singleton(self, node: cst.MatchSingleton) -> ast.pattern:
        self.at += len(node.value.lpar)
        start = self.at
        self.at += 1
        value = {"True": True, "False": False, "None": None}[node.value.value]
        result = self.place(ast.MatchSingleton(value), start)
        self.at += len(node.value.rpar)
        return result

    def _list(self, node: cst.MatchList) -> ast.pattern:
        self.optional(node.lbracket)
        result = self._sequence(node)
        self.optional(node.rbracket)
        return result

    def _sequence(self, node: cst.MatchSequence) -> ast.pattern:
        result: list[ast.pattern] = []
        for element in node.patterns:
            if isinstance(element, cst.MatchStar):
                start = self.at
                self.at += 2
                name = None if element.name is None else identifier(element.name.value)
                result.append(self.place(ast.MatchStar(name), start))
            else:
                result.append(self.pattern(element.value))
            self.optional(element.comma)
        return ast.MatchSequence(result)

    def _mapping(self, node: cst.MatchMapping) -> ast.pattern:
        self.at += 1
        keys, patterns = [], []
        for element in node.elements:
            keys.append(self.expression(element.key))
            self.at += 1
            patterns.append(self.pattern(element.pattern))
            self.optional(element.comma)
        rest = None
        if node.rest is not None:
            self.at += 2
            rest = identifier(node.rest.value)
        self.optional(node.trailing_comma)
        self.at += 1
        return ast.MatchMapping(keys, patterns, rest)

    def _class_pattern(self, node: cst.MatchClass) -> ast.pattern:
        result = ast.MatchClass(self.expression(node.cls), [], [], [])
        self.at += 1
        for element in node.patterns:
            result.patterns.append(self.pattern(element.value))
            self.optional(element.comma)
        for keyword in node.kwds:
            self.at += 2
            result.kwd_attrs.append(identifier(keyword.key.value))
            result.kwd_patterns.append(self.pattern(keyword.pattern))
            self.optional(keyword.comma)
        self.at += 1
        return result

    def _as(self, node: cst.MatchAs) -> ast.pattern:
        inner = None
        if node.pattern is not None:
            inner = self.pattern(node.pattern)
            self.at += 1
        self.at += 1
        return ast.MatchAs(inner, None if node.name is None else identifier(node.name.value))

    def _or(self, node: cst.MatchOr) -> ast.pattern:
        result = []
        for element in node.patterns:
            result.append(self.pattern(element.pattern))
            if element.separator is not ABSENT:
                self.at += 1
        return ast.MatchOr(result)


_HANDLERS: dict[type, Callable[[Patterns, Any], ast.pattern]] = {
    cst.MatchList: Patterns._list,
    cst.MatchTuple: Patterns._sequence,
    cst.MatchMapping: Patterns._mapping,
    cst.MatchClass: Patterns._class_pattern,
    cst.MatchAs: Patterns._as,
    cst.MatchOr: Patterns._or,
}

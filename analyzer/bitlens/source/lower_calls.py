"""Lowers calls, lambdas and their arguments and parameters."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from bitlens.source.literals import identifier
from bitlens.source.lower_base import ABSENT, LOAD, Cursor


class Calls(Cursor):
    """Arguments and parameters; each method takes exactly their tokens."""

    def lambda_(self, node: cst.Lambda, context: ast.expr_context) -> ast.expr:
        """`lambda …: body`."""
        self.at += 1
        arguments = self.parameters(node.params)
        self.at += 1
        return ast.Lambda(arguments, self.expression(node.body))

    def call(self, node: cst.Call, context: ast.expr_context) -> ast.expr:
        """`func(…)`; a lone generator's range takes in the call's parentheses, as in `ast`."""
        function = self.expression(node.func)
        opening = self.at
        self.at += 1
        arguments, keywords = self.arguments(node.args)
        self.at += 1
        if node.args and type(node.args[0].value) is cst.GeneratorExp and not node.args[0].value.lpar:
            self.place(arguments[0], opening)
        return ast.Call(function, arguments, keywords)

    def arguments(self, nodes: Sequence[cst.Arg]) -> tuple[list[ast.expr], list[ast.keyword]]:
        """Positional (with `*`) and keyword (with `**`) arguments."""
        arguments: list[ast.expr] = []
        keywords: list[ast.keyword] = []
        for node in nodes:
            start = self.at
            if node.star == "*":
                self.at += 1
                arguments.append(self.place(ast.Starred(self.expression(node.value), LOAD), start))
            elif node.star == "**":
                self.at += 1
                keywords.append(self.place(ast.keyword(None, self.expression(node.value)), start))
            elif node.keyword is not None:
                self.at += 2
                name = identifier(node.keyword.value)
                keywords.append(self.place(ast.keyword(name, self.expression(node.value)), start))
            else:
                arguments.append(self.expression(node.value))
            self.optional(node.comma)
        return arguments, keywords

    def parameters(self, node: cst.Parameters) -> ast.arguments:
        """The parameters of a function or lambda."""
        result = ast.arguments([], [], None, [], [], None, [])
        self._positional(node.posonly_params, result.posonlyargs, result)
        if node.posonly_ind is not ABSENT:
            self.at += 1
            self.optional(getattr(node.posonly_ind, "comma", None))
        self._positional(node.params, result.args, result)
        if isinstance(node.star_arg, cst.Param):
            self.at += 1
            result.vararg = self._parameter(node.star_arg)
        elif isinstance(node.star_arg, cst.ParamStar):
            self.at += 2
        for parameter in node.kwonly_params:
            result.kwonlyargs.append(self._parameter(parameter, result.kw_defaults))
        if node.star_kwarg is not None:
            self.at += 1
            result.kwarg = self._parameter(node.star_kwarg)
        return result

    def _positional(self, nodes: Sequence[cst.Param], into: list[ast.arg], result: ast.arguments) -> None:
        for node in nodes:
            defaults: list[ast.expr | None] = []
            into.append(self._parameter(node, defaults))
            result.defaults.extend(value for value in defaults if value is not None)

    def _parameter(self, node: cst.Param, defaults: list[ast.expr | None] | None = None) -> ast.arg:
        start = self.at
        self.at += 1
        annotation = self.annotation(node.annotation)
        argument = self.place(ast.arg(identifier(node.name.value), annotation, None), start)
        if node.default is not None:
            self.at += 1
        default = self.optional_expression(node.default)
        if defaults is not None:
            defaults.append(default)
        self.optional(node.comma)
        return argument

    def annotation(self, node: cst.Annotation | None) -> ast.expr | None:
        """`: annotation` or `-> annotation`; `*args: *Ts` is Starred."""
        if node is None:
            return None
        self.at += 1
        return self.expression(node.annotation)

    # Defined where all expressions are lowered.
    expression: Callable[..., ast.expr]
    optional_expression: Callable[[Any], ast.expr | None]

"""Lowers functions, classes and type aliases."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from bitlens.source.literals import identifier
from bitlens.source.lower_base import HAS_TYPE_PARAMETERS, LOAD, STORE
from bitlens.source.lower_patterns import Patterns


class Definitions(Patterns):
    """Definitions; each method takes exactly their tokens."""

    def _decorators(self, nodes: Sequence[cst.Decorator]) -> list[ast.expr]:
        result = []
        for node in nodes:
            self.at += 1
            result.append(self.expression(node.decorator))
        return result

    def _function(self, node: cst.FunctionDef) -> ast.stmt:
        decorators = self._decorators(node.decorators)
        start = self.at
        self.optional(node.asynchronous)
        self.at += 2
        parameters = self._type_parameters(node.type_parameters)
        self.at += 1
        arguments = self.parameters(node.params)
        self.at += 1
        returns = self.annotation(node.returns)
        kind: Any = ast.FunctionDef if node.asynchronous is None else ast.AsyncFunctionDef
        body = self._suite(node.body)
        function = kind(identifier(node.name.value), arguments, body, decorators, returns, None)
        return self._definition(function, parameters, start)

    def _class(self, node: cst.ClassDef) -> ast.stmt:
        decorators = self._decorators(node.decorators)
        start = self.at
        self.at += 2
        parameters = self._type_parameters(node.type_parameters)
        self.optional(node.lpar)
        bases, keywords = self.arguments((*node.bases, *node.keywords))
        self.optional(node.rpar)
        body = self._suite(node.body)
        definition: Any = ast.ClassDef
        result = definition(identifier(node.name.value), bases, keywords, body, decorators)
        return self._definition(result, parameters, start)

    def _definition(self, node: Any, parameters: list[Any], start: int) -> ast.stmt:
        if HAS_TYPE_PARAMETERS:
            node.type_params = parameters
        placed: ast.stmt = self.place(node, start)
        return placed

    def _type_parameters(self, node: cst.TypeParameters | None) -> list[Any]:
        if node is None:
            return []
        self.at += 1
        result = [self._type_parameter(parameter) for parameter in node.params]
        self.at += 1
        return [parameter for parameter in result if parameter is not None]

    def _type_parameter(self, node: cst.TypeParam) -> Any:
        start = self.at
        kind = type(node.param).__name__
        self.at += 1 if kind == "TypeVar" else 2
        name = identifier(node.param.name.value)
        bound = None
        if isinstance(node.param, cst.TypeVar) and node.param.bound is not None:
            self.at += 1
            bound = self.expression(node.param.bound)
        default = None
        if node.default is not None:
            self.at += 1
            default = self._type_default(node)
        made = getattr(ast, kind, None)
        result = None
        if made is not None:
            result = self.place(made(name, bound) if kind == "TypeVar" else made(name), start)
            if "default_value" in made._fields:
                result.default_value = default
        self.optional(node.comma)
        return result

    def _type_default(self, node: cst.TypeParam) -> ast.expr:
        start = self.at
        if not node.star:
            return self.expression(node.default)
        self.at += 1
        return self.place(ast.Starred(self.expression(node.default), LOAD), start)

    def _type_alias(self, node: cst.TypeAlias) -> ast.stmt:
        self.at += 1
        name = self.expression(node.name, STORE)
        parameters = self._type_parameters(node.type_parameters)
        self.at += 1
        value = self.expression(node.value)
        made = getattr(ast, "TypeAlias", None)
        if made is None:
            return ast.Assign([name], value, None)
        alias: ast.stmt = made(name, parameters, value)
        return alias

    # Defined where all statements are lowered.
    _suite: Callable[[Any], list[ast.stmt]]

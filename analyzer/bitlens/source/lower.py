"""Lowers a libcst tree to the standard library's `ast`, equal to what `ast.parse` gives for the same text.

libcst reads the syntax of any Python version, so the Python that runs bitlens may be older than the user's.
Positions
follow `ast`: lines from 1, columns in UTF-8 bytes. They come from the tokens of the text, which the walk
takes one by
one. Differences from `ast.parse`, all documented in `lower_strings`: the places of an f-string's parts. On a
Python
that has no `TryStar` or `TypeAlias`, these become `Try` and `Assign`; type parameters are left out there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from bitlens.source.literals import identifier
from bitlens.source.lower_base import DELETE, STORE, LoweringError
from bitlens.source.lower_definitions import Definitions
from bitlens.source.lower_expressions import BINARY

__all__ = ["LoweringError", "lower", "lower_text"]

_AUGMENTED = {getattr(cst, f"{kind.__name__}Assign"): operator for kind, operator in BINARY.items()}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def lower_text(text: str) -> ast.Module:
    """Parse and lower a program. Raises `cst.ParserSyntaxError` where libcst does, and ValueError
    (TokenError,
    LoweringError, a literal without value) for the rest that has no meaning."""
    return lower(cst.parse_module(text), text)


def lower(module: cst.Module, text: str) -> ast.Module:
    """Lower `module`, the tree that libcst made of `text`. Raises ValueError as `lower_text` does."""
    lowering = Statements(text)
    body = lowering.block(module.body)
    if lowering.at != len(lowering.tokens):
        raise LoweringError(f"{len(lowering.tokens)} tokens but {lowering.at} leaves")
    return ast.Module(body, [])


class Statements(Definitions):
    """One method per kind of statement; each takes exactly that statement's tokens."""

    def block(self, nodes: Sequence[Any]) -> list[ast.stmt]:
        """Statements of a module or an indented block."""
        result: list[ast.stmt] = []
        for node in nodes:
            if isinstance(node, cst.SimpleStatementLine):
                self._simple(node.body, result)
            else:
                result.append(self._statement(node))
        return result

    def _simple(self, nodes: Sequence[Any], into: list[ast.stmt]) -> None:
        for node in nodes:
            into.append(self._statement(node))
            self.optional(node.semicolon)

    def _statement(self, node: Any) -> ast.stmt:
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise LoweringError(f"unknown syntax {type(node).__name__}")
        start = self.at
        result = handler(self, node)
        if isinstance(result, _DEFINITIONS):
            # A definition's range starts at its keyword, after the decorators, and was given there.
            return result
        return self.place(result, start)

    def _suite(self, node: Any) -> list[ast.stmt]:
        """`: body`, the colon taken first."""
        self.at += 1
        if isinstance(node, cst.IndentedBlock):
            return self.block(node.body)
        result: list[ast.stmt] = []
        self._simple(node.body, result)
        return result

    def _expr(self, node: cst.Expr) -> ast.stmt:
        return ast.Expr(self.expression(node.value))

    def _assign(self, node: cst.Assign) -> ast.stmt:
        targets = []
        for target in node.targets:
            targets.append(self.expression(target.target, STORE))
            self.at += 1
        return ast.Assign(targets, self.expression(node.value), None)

    def _annotated(self, node: cst.AnnAssign) -> ast.stmt:
        target = self.expression(node.target, STORE)
        annotation = self.annotation(node.annotation)
        if node.value is not None:
            self.at += 1
        value = self.optional_expression(node.value)
        simple = int(isinstance(target, ast.Name) and not node.target.lpar)
        made: ast.stmt = ast.AnnAssign(target, annotation, value, simple)  # type: ignore[call-overload]
        return made

    def _augmented(self, node: cst.AugAssign) -> ast.stmt:
        target = self.expression(node.target, STORE)
        self.at += 1
        operator = _AUGMENTED[type(node.operator)]
        return ast.AugAssign(target, operator, self.expression(node.value))  # type: ignore[arg-type]

    def _keyword(self, node: Any) -> ast.stmt:
        self.at += 1
        return {cst.Pass: ast.Pass, cst.Break: ast.Break, cst.Continue: ast.Continue}[type(node)]()

    def _return(self, node: cst.Return) -> ast.stmt:
        self.at += 1
        return ast.Return(self.optional_expression(node.value))

    def _raise(self, node: cst.Raise) -> ast.stmt:
        self.at += 1
        raised = self.optional_expression(node.exc)
        if node.cause is None:
            return ast.Raise(raised, None)
        self.at += 1
        return ast.Raise(raised, self.expression(node.cause.item))

    def _assert(self, node: cst.Assert) -> ast.stmt:
        self.at += 1
        test = self.expression(node.test)
        self.optional(node.msg)
        return ast.Assert(test, self.optional_expression(node.msg))

    def _delete(self, node: cst.Del) -> ast.stmt:
        self.at += 1
        start = self.at
        target = self.expression(node.target, DELETE)
        if (
            isinstance(target, ast.Tuple)
            and self.tokens[start].column == target.col_offset
            and not node.target.lpar
        ):
            return ast.Delete(target.elts)
        return ast.Delete([target])

    def _names(self, node: Any) -> ast.stmt:
        self.at += 1
        names = []
        for item in node.names:
            self.at += 1
            names.append(identifier(item.name.value))
            self.optional(item.comma)
        return ast.Global(names) if isinstance(node, cst.Global) else ast.Nonlocal(names)

    def _import(self, node: cst.Import) -> ast.stmt:
        self.at += 1
        return ast.Import([self._alias(alias) for alias in node.names])

    def _import_from(self, node: cst.ImportFrom) -> ast.stmt:
        self.at += 1 + len(node.relative)
        module = None if node.module is None else self._dotted(node.module)
        self.at += 1
        self.optional(node.lpar)
        if isinstance(node.names, cst.ImportStar):
            self.at += 1
            names = [self.place(ast.alias("*", None), self.at - 1)]
        else:
            names = [self._alias(alias) for alias in node.names]
        self.optional(node.rpar)
        return ast.ImportFrom(module, names, len(node.relative))

    def _alias(self, node: cst.ImportAlias) -> ast.alias:
        start = self.at
        name, bound = self._dotted(node.name), None
        if node.asname is not None:
            self.at += 2
            bound = identifier(getattr(node.asname.name, "value", ""))
        alias = self.place(ast.alias(name, bound), start)
        self.optional(node.comma)
        return alias

    def _dotted(self, node: Any) -> str:
        if isinstance(node, cst.Name):
            self.at += 1
            return identifier(node.value)
        value = self._dotted(node.value)
        self.at += 2
        return f"{value}.{identifier(node.attr.value)}"

    def _if(self, node: cst.If) -> ast.stmt:
        self.at += 1
        test = self.expression(node.test)
        body = self._suite(node.body)
        if isinstance(node.orelse, cst.If):
            start = self.at
            return ast.If(test, body, [self.place(self._if(node.orelse), start)])
        return ast.If(test, body, self._else(node.orelse))

    def _else(self, node: Any) -> list[ast.stmt]:
        if node is None:
            return []
        self.at += 1
        return self._suite(node.body)

    def _while(self, node: cst.While) -> ast.stmt:
        self.at += 1
        test = self.expression(node.test)
        return ast.While(test, self._suite(node.body), self._else(node.orelse))

    def _for(self, node: cst.For) -> ast.stmt:
        self.optional(node.asynchronous)
        self.at += 1
        target = self.expression(node.target, STORE)
        self.at += 1
        iterated = self.expression(node.iter)
        body = self._suite(node.body)
        kind = ast.For if node.asynchronous is None else ast.AsyncFor
        return kind(target, iterated, body, self._else(node.orelse), None)

    def _with(self, node: cst.With) -> ast.stmt:
        self.optional(node.asynchronous)
        self.at += 1
        self.optional(node.lpar)
        items = []
        for item in node.items:
            context = self.expression(item.item)
            target = None
            if item.asname is not None:
                self.at += 1
                target = self.expression(item.asname.name, STORE)
            items.append(ast.withitem(context, target))
            self.optional(item.comma)
        self.optional(node.rpar)
        kind = ast.With if node.asynchronous is None else ast.AsyncWith
        return kind(items, self._suite(node.body), None)

    def _try(self, node: Any) -> ast.stmt:
        self.at += 1
        body = self._suite(node.body)
        handlers = [self._handler(handler) for handler in node.handlers]
        orelse = self._else(node.orelse)
        final = self._else(node.finalbody)
        kind = getattr(ast, "TryStar", ast.Try) if isinstance(node, cst.TryStar) else ast.Try
        result: ast.stmt = kind(body, handlers, orelse, final)
        return result

    def _handler(self, node: Any) -> ast.ExceptHandler:
        start = self.at
        self.at += 2 if isinstance(node, cst.ExceptStarHandler) else 1
        kind = self.optional_expression(node.type)
        name = None
        if node.name is not None:
            self.at += 2
            name = identifier(node.name.name.value)
        return self.place(ast.ExceptHandler(kind, name, self._suite(node.body)), start)

    def _match(self, node: cst.Match) -> ast.stmt:
        self.at += 1
        subject = self.expression(node.subject)
        self.at += 1
        cases = []
        for case in node.cases:
            self.at += 1
            pattern = self.pattern(case.pattern)
            self.optional(case.guard)
            guard = self.optional_expression(case.guard)
            cases.append(ast.match_case(pattern, guard, self._suite(case.body)))
        return ast.Match(subject, cases)


_HANDLERS: dict[type, Callable[[Statements, Any], ast.stmt]] = {
    cst.Expr: Statements._expr,
    cst.Assign: Statements._assign,
    cst.AnnAssign: Statements._annotated,
    cst.AugAssign: Statements._augmented,
    cst.Pass: Statements._keyword,
    cst.Break: Statements._keyword,
    cst.Continue: Statements._keyword,
    cst.Return: Statements._return,
    cst.Raise: Statements._raise,
    cst.Assert: Statements._assert,
    cst.Del: Statements._delete,
    cst.Global: Statements._names,
    cst.Nonlocal: Statements._names,
    cst.Import: Statements._import,
    cst.ImportFrom: Statements._import_from,
    cst.If: Statements._if,
    cst.While: Statements._while,
    cst.For: Statements._for,
    cst.With: Statements._with,
    cst.Try: Statements._try,
    cst.TryStar: Statements._try,
    cst.FunctionDef: Statements._function,
    cst.ClassDef: Statements._class,
    cst.TypeAlias: Statements._type_alias,
    cst.Match: Statements._match,
}

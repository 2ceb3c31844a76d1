"""Turns the patterns of `match` into closures: True, False, or None where the value is not known."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import Instance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.compiler import Compiler

Matcher = Callable[[Frame, Any], "bool | None"]


def pattern(compiler: Compiler, node: ast.pattern) -> Matcher:
    """The closure of any pattern."""
    if isinstance(node, ast.MatchValue):
        value, equal = compiler.expression(node.value), compiler.machine.comparison(ast.Eq)
        return lambda f, subject: compiler.machine.truth(equal(subject, value(f)))
    if isinstance(node, ast.MatchSingleton):
        return lambda f, subject: None if isinstance(subject, Unknown) else subject is node.value
    if isinstance(node, ast.MatchAs):
        return _capture(compiler, node)
    if isinstance(node, ast.MatchOr):
        return _any(compiler, node)
    if isinstance(node, ast.MatchSequence):
        return _sequence(compiler, node)
    if isinstance(node, ast.MatchMapping):
        return _mapping(compiler, node)
    if isinstance(node, ast.MatchClass):
        return _class(compiler, node)
    return lambda f, subject: None


def _capture(compiler: Compiler, node: ast.MatchAs) -> Matcher:
    inner = pattern(compiler, node.pattern) if node.pattern is not None else None

    def match(f: Frame, subject: Any) -> bool | None:
        known = True if inner is None else inner(f, subject)
        if known is not False and node.name is not None:
            f.vars[node.name] = subject
        return known

    return match


def _any(compiler: Compiler, node: ast.MatchOr) -> Matcher:
    options = [pattern(compiler, option) for option in node.patterns]

    def match(f: Frame, subject: Any) -> bool | None:
        results = []
        for option in options:
            results.append(option(f, subject))
            if results[-1]:
                return True
        return None if None in results else False

    return match


def _all(results: list[bool | None]) -> bool | None:
    if False in results:
        return False
    return None if None in results else True


def _sequence(compiler: Compiler, node: ast.MatchSequence) -> Matcher:
    star = next((i for i, part in enumerate(node.patterns) if isinstance(part, ast.MatchStar)), None)
    parts = [None if isinstance(part, ast.MatchStar) else pattern(compiler, part) for part in node.patterns]
    name = None if star is None else node.patterns[star].name  # type: ignore[attr-defined]

    def match(f: Frame, subject: Any) -> bool | None:
        if isinstance(subject, Unknown):
            return None
        if not isinstance(subject, list | tuple):
            return False
        if len(subject) < len(parts) - (star is not None) or (star is None and len(subject) != len(parts)):
            return False
        values = compiler.machine.unpack(subject, len(parts), star)
        if star is not None and name:
            f.vars[name] = values[star]
        return _all([part(f, value) for part, value in zip(parts, values, strict=False) if part is not None])

    return match


def _mapping(compiler: Compiler, node: ast.MatchMapping) -> Matcher:
    parts = [
        (compiler.expression(key), pattern(compiler, value))
        for key, value in zip(node.keys, node.patterns, strict=False)
    ]

    def match(f: Frame, subject: Any) -> bool | None:
        if isinstance(subject, Unknown):
            return None
        if not isinstance(subject, dict):
            return False
        keys = [key(f) for key, _ in parts]
        if any(key not in subject for key in keys):
            return False
        if node.rest:
            f.vars[node.rest] = {key: value for key, value in subject.items() if key not in keys}
        return _all([part(f, subject[key]) for key, (_, part) in zip(keys, parts, strict=False)])

    return match


def _class(compiler: Compiler, node: ast.MatchClass) -> Matcher:
    cls = compiler.expression(node.cls)
    positional = [pattern(compiler, part) for part in node.patterns]
    named = [
        (name, pattern(compiler, part)) for name, part in zip(node.kwd_attrs, node.kwd_patterns, strict=False)
    ]
    machine = compiler.machine

    def match(f: Frame, subject: Any) -> bool | None:
        kind = cls(f)
        known = machine.truth(machine.isinstance(subject, kind))
        if not known:
            return known
        if isinstance(kind, type):
            return _all([part(f, subject) for part in positional])
        names = (
            machine.getattr(kind, "__match_args__", ())
            if positional and isinstance(subject, Instance)
            else ()
        )
        pairs = [*zip(names, positional, strict=False), *named]
        return _all([part(f, machine.getattr(subject, name)) for name, part in pairs])

    return match

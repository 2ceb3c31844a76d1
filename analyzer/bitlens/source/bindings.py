"""What statements bind: targets with their expressions, in the order of the text."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from bitlens.source.knowledge import Function
from bitlens.source.tree import children, walk

_OF_MAPPINGS = frozenset({"keys", "items", "values"})


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Nodes of a function's body, those of inner functions and classes left out."""
    stack: list[ast.AST] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            stack.extend(reversed(list(children(node))))


def ordered(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a body and of its blocks, those of inner definitions left out."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        yield node
        for child in children(node):
            if isinstance(child, ast.stmt):
                yield from ordered([child])
            elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
                yield from ordered(child.body)


def assignments(node: ast.stmt) -> Iterator[tuple[str, ast.expr, int | None]]:
    """Each target (a name or a chain such as `self.model`) with the expression that it gets.

    Where a tuple is unpacked from one expression, the third item is the target's position in it.
    """
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _pairs(node.target, node.value)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _pairs(target, node.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr, int | None]]:
    if isinstance(target, (ast.Name, ast.Attribute)):
        yield ast.unparse(target), value, None
    elif isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                yield from _pairs(one, other)
            return
        for position, element in enumerate(target.elts):
            if isinstance(element, (ast.Name, ast.Attribute)):
                yield ast.unparse(element), value, position


def mappings(body: Iterable[ast.AST]) -> Iterator[str]:
    """Variables that are used as a mapping is: `x["key"]`, `x.items()`."""
    for statement in body:
        for node in walk(statement):
            if isinstance(node, ast.Subscript):
                used = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
            elif isinstance(node, ast.Attribute):
                used = node.attr in _OF_MAPPINGS
            else:
                continue
            if used and isinstance(node.value, ast.Name):
                yield node.value.id

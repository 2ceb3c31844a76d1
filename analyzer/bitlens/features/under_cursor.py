"""What stands at a place in the source: a format's name, a tensor, a quantizing call, or a line that
constructs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bitlens.analysis import Analysis
from bitlens.features import formats
from bitlens.source.imports import Names, chain, names_of

Kind = Literal["format", "tensor", "quantize", "line"]
Position = tuple[int, int]
_FORMAT_KEYWORDS = (
    "dtype",
    "torch_dtype",
    "bnb_4bit_quant_type",
    "bnb_4bit_compute_dtype",
    "weights",
    "quant_type",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A thing that can be told about, with its place: (line from 1, column in UTF-8 bytes)."""

    kind: Kind
    name: str
    start: Position
    end: Position


def target_at(analysis: Analysis, line: int, column: int) -> Target | None:
    """The most particular thing at a place; lines that construct something count from their first character
    on.
    """
    statement = analysis.program.source.at(line)
    nodes = list(_enclosing(statement.nodes, line - statement.line + 1, column)) if statement else []
    above = statement.line - 1 if statement else 0
    names = _names(analysis) if any(isinstance(node, ast.expr) for node in nodes) else Names()
    for node, parents in _inside_out(nodes):
        found = _target(node, parents, names)
        if found is not None:
            return _at(node, above, *found)
    if line in analysis.lines or line in analysis.models:
        return _construction(analysis, nodes, line, above)
    return None


def _names(analysis: Analysis) -> Names:
    return names_of(node for statement in analysis.program.source.statements for node in statement.nodes)


def _inside_out(nodes: list[ast.AST]) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    for at in range(len(nodes) - 1, -1, -1):
        yield nodes[at], nodes[:at]


def _enclosing(nodes: tuple[ast.stmt, ...], line: int, column: int) -> Iterator[ast.AST]:
    """The nodes around a place, outermost first."""
    inner: ast.AST | None = next((node for node in nodes if _holds(node, line, column)), None)
    while inner is not None:
        yield inner
        inner = _child(inner, line, column)


def _child(node: ast.AST, line: int, column: int) -> ast.AST | None:
    for child in ast.iter_child_nodes(node):
        if not hasattr(child, "lineno"):  # keywords have a place, arguments and comprehensions have none
            inside = _child(child, line, column)
            if inside is not None:
                return inside
        elif _holds(child, line, column):
            return child
    return None


def _holds(node: ast.AST, line: int, column: int) -> bool:
    start, end = _place(node)
    decorators = getattr(node, "decorator_list", [])
    start = min([start, *(_place(decorator)[0] for decorator in decorators)])
    return start <= (line, column) <= end


def _place(node: ast.AST) -> tuple[Position, Position]:
    at: ast.expr = node  # type: ignore[assignment]
    return (at.lineno, at.col_offset), (at.end_lineno or at.lineno, at.end_col_offset or at.col_offset)


def _target(node: ast.AST, parents: list[ast.AST], names: Names) -> tuple[Kind, str] | None:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _named(node, parents, names)
    if isinstance(node, ast.alias) and isinstance(parents[-1], ast.ImportFrom):
        dotted = f"{parents[-1].module}.{node.name}"
        return ("format", dotted) if formats.describe(dotted) else None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        keyword = next((p for p in reversed(parents) if isinstance(p, ast.keyword)), None)
        wanted = keyword is not None and keyword.arg in _FORMAT_KEYWORDS
        return ("format", node.value) if wanted and formats.describe(node.value) else None
    return None


def _named(node: ast.Name | ast.Attribute, parents: list[ast.AST], names: Names) -> tuple[Kind, str] | None:
    dotted = names.dotted(node)
    if dotted is not None:
        if formats.describe(dotted):
            return "format", dotted
        called = bool(parents) and isinstance(parents[-1], ast.Call) and parents[-1].func is node
        return ("quantize", dotted) if called and formats.call(dotted) else None
    parts = chain(node)
    if parts is not None and len(parts) > 2 and parts[0] == "self":
        return "tensor", ".".join(parts[1:])
    return None


def _at(node: ast.AST, above: int, kind: Kind, name: str) -> Target:
    (line, column), (end_line, end_column) = _place(node)
    return Target(kind, name, (line + above, column), (end_line + above, end_column))


def _construction(analysis: Analysis, nodes: list[ast.AST], line: int, above: int) -> Target:
    """The outermost call that starts on the line, or the line as it is."""
    for node in nodes:
        if isinstance(node, ast.Call) and node.lineno + above == line:
            return _at(node, above, "line", "")
    text = analysis.text.split("\n")[line - 1]
    indent = len(text) - len(text.lstrip())
    return Target("line", "", (line, indent), (line, len(text.encode())))

"""Lowers f-strings, t-strings and literals that stand side by side.

Positions inside an f-string are those of Python 3.12 and newer, which are exact; older Pythons give all parts
the
place of the whole. A t-string is lowered as if it were an f-string.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import libcst as cst

from bitlens.source.literals import string_value, text_value
from bitlens.source.lower_base import LoweringError

if TYPE_CHECKING:
    from bitlens.source.lower_expressions import Expressions


def joined(cursor: Expressions, node: Any) -> ast.expr:
    """Lower one f-string or a run of literals; a run without f-string is one constant."""
    parts: list[ast.expr] = []
    literals = list(_flat(node))
    for literal in literals:
        # libcst keeps parentheses out of a run's members, so each is its own tokens alone.
        if isinstance(literal, cst.SimpleString):
            start = cursor.at
            cursor.at += 1
            parts.append(cursor.place(ast.Constant(string_value(literal.value), None), start))
        else:
            parts += _formatted(cursor, literal)
    kind = "u" if _prefix(literals[0]) == "u" else None
    if all(isinstance(literal, cst.SimpleString) for literal in literals):
        values: list[Any] = [part.value for part in parts]  # type: ignore[attr-defined]
        return ast.Constant(type(values[0])().join(values), kind)
    return ast.JoinedStr(_merged(parts, kind))


def _flat(node: Any) -> Iterator[Any]:
    while isinstance(node, cst.ConcatenatedString):
        yield node.left
        node = node.right
    yield node


def _prefix(literal: Any) -> str:
    text: str = literal.value if isinstance(literal, cst.SimpleString) else literal.start
    return text.rstrip("'\"") if not isinstance(literal, cst.SimpleString) else text[:1]


def _formatted(cursor: Expressions, node: Any) -> list[ast.expr]:
    cursor.at += 1
    parts = _pieces(cursor, node.parts, raw="r" in _prefix(node).lower())
    cursor.at += 1
    return parts


def _pieces(cursor: Expressions, nodes: Any, raw: bool) -> list[ast.expr]:
    result: list[ast.expr] = []
    for node in nodes:
        if isinstance(node, cst.FormattedStringExpression | cst.TemplatedStringExpression):
            result += _field(cursor, node, raw)
        else:
            text = text_value(node.value, raw).replace("{{", "{").replace("}}", "}")
            result.append(_between(cursor, text))
    return result


def _between(cursor: Expressions, text: str) -> ast.expr:
    """A text part: it reaches from the last token taken to the next one."""
    before, after = cursor.tokens[cursor.at - 1], cursor.tokens[cursor.at]
    return ast.Constant(
        text,
        None,
        lineno=before.end_line,
        col_offset=before.end_column,
        end_lineno=after.line,
        end_col_offset=after.column,
    )


def _field(cursor: Expressions, node: Any, raw: bool) -> list[ast.expr]:
    """`{expression=!r:spec}`; `=` adds its source text before the value."""
    start = cursor.at
    cursor.at += 1
    value = cursor.expression(node.expression)
    result: list[ast.expr] = []
    conversion = ord(node.conversion) if node.conversion else -1
    if node.equal is not None:
        cursor.at += 1
        result.append(_debug_text(cursor, start))
        if conversion < 0 and node.format_spec is None:
            conversion = ord("r")
    if node.conversion:
        cursor.at += 2
    spec = None
    if node.format_spec is not None:
        colon = cursor.at
        cursor.at += 1
        spec = ast.JoinedStr(_merged(_pieces(cursor, node.format_spec, raw), None))
        cursor.place(spec, colon)
    cursor.at += 1
    result.append(cursor.place(ast.FormattedValue(value, conversion, spec), start))
    return result


def _debug_text(cursor: Expressions, start: int) -> ast.expr:
    opening, following = cursor.tokens[start], cursor.tokens[cursor.at]
    text = cursor.text[opening.end : following.start]
    return ast.Constant(
        text,
        None,
        lineno=opening.end_line,
        col_offset=opening.end_column,
        end_lineno=following.line,
        end_col_offset=following.column,
    )


def _merged(parts: list[ast.expr], kind: str | None) -> list[ast.expr]:
    """Neighbouring constants become one, empty ones vanish."""
    result: list[ast.expr] = []
    for part in parts:
        last = result[-1] if result else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            if not isinstance(last.value, str) or not isinstance(part.value, str):
                raise LoweringError("bytes beside an f-string")
            last.value += part.value
            last.end_lineno, last.end_col_offset = part.end_lineno, part.end_col_offset
        elif not isinstance(part, ast.Constant) or part.value:
            result.append(part)
    if kind and result and isinstance(result[0], ast.Constant):
        result[0].kind = kind
    return result

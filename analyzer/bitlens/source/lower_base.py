"""What the lowering of expressions, patterns and statements shares: the walk over the tokens."""

from __future__ import annotations

import ast
from typing import Any, TypeVar

import libcst as cst

from bitlens.source.tokens import Span, spans

Node = TypeVar("Node", bound=ast.AST)
STORE, LOAD, DELETE = ast.Store(), ast.Load(), ast.Del()
ABSENT = cst.MaybeSentinel.DEFAULT
HAS_TYPE_PARAMETERS = "type_params" in ast.FunctionDef._fields


class LoweringError(ValueError):
    """The tree and the tokens of its text do not fit together."""


class Cursor:
    """Takes the tokens of `text` one by one, in the order in which the tree's leaves stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Span] = spans(text)
        self.at = 0

    def place(self, node: Node, start: int) -> Node:
        """Give `node` the range from token `start` to the last token taken."""
        try:
            first, last = self.tokens[start], self.tokens[self.at - 1]
        except IndexError:
            raise LoweringError("more leaves than tokens") from None
        placed: Any = node
        placed.lineno, placed.col_offset = first.line, first.column
        placed.end_lineno, placed.end_col_offset = last.end_line, last.end_column
        return node

    def optional(self, leaf: object) -> None:
        """Take the token of a leaf that may be missing (`MaybeSentinel` or None)."""
        if leaf is not ABSENT and leaf is not None:
            self.at += 1

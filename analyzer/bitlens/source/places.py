"""Places of nodes in a file's text."""

from __future__ import annotations

import ast


class Columns:
    """Places of a file's nodes: lines from 1, columns from 1 in characters (`ast` counts UTF-8 bytes)."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.ascii = text.isascii()

    def place(self, node: ast.AST, offset: int) -> tuple[int, int]:
        """Line and column at which a node starts."""
        line: int = node.lineno + offset  # type: ignore[attr-defined]
        column: int = node.col_offset  # type: ignore[attr-defined]
        if not self.ascii and line <= len(self.lines):
            column = len(self.lines[line - 1].encode()[:column].decode(errors="replace"))
        return line, column + 1

"""The text of libraries, read by Python's own parser: whole, or without the bodies of its functions.

Most functions of a library are never run. Their bodies are four fifths of what parsing takes, and of what the
nodes weigh, so each is parsed when somebody asks for it.
"""

from __future__ import annotations

import ast
import copy
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

Body = tuple[int, int, int]
"""A function's body: its first line in the statement, from 1; where its lines begin and end in the text."""
WORTH = 60
"""Characters of a body that is worth leaving out."""
_QUIET = threading.Lock()
"""`catch_warnings` changes what all threads see."""


class Waiting(ast.stmt):
    """Stands for the body of a function."""

    _fields = ()

    def __init__(self, text: str, body: Body) -> None:
        super().__init__(lineno=body[0], col_offset=0, end_lineno=body[0], end_col_offset=0)
        self.text = text
        self.body = body

    def statements(self) -> list[ast.stmt]:
        """The body's statements, on the lines where they stand."""
        line, begin, end = self.body
        block: Any = parsed("\n" * (line - 2) + "if 1:\n" + self.text[begin:end])[0]
        found: list[ast.stmt] = block.body
        return found


def filled(node: Any) -> Any:
    """The definition of a function with its body, which is parsed anew each time if it waits."""
    if type(node.body) is not list or type(node.body[0]) is not Waiting:
        return node
    made = copy.copy(node)
    made.body = node.body[0].statements()
    made.end_lineno, made.end_col_offset = made.body[-1].end_lineno, made.body[-1].end_col_offset
    return made


def parsed(text: str) -> tuple[ast.stmt, ...]:
    """The statements of a text, without a word about its escapes. Raises what `ast.parse` raises."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(ast.parse(text).body)


def bodies(nodes: Iterable[ast.stmt], text: str) -> tuple[Body, ...]:
    """Where the bodies stand that can be left out: those that have lines of their own."""
    starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
    found = []
    for function in _functions(nodes):
        line = _line(function.body[0])
        begin, end = starts[line - 1], starts[function.body[-1].end_lineno]
        alone = line > function.lineno and function.body[0].col_offset == len(_indent(text, begin))
        if alone and end - begin >= WORTH:
            found.append((line, begin, end))
    return tuple(found)


def emptied(text: str, found: Iterable[Body]) -> str:
    """The text without these bodies, on the same lines."""
    parts, at = [], 0
    for _, begin, end in found:
        parts += [text[at:begin], _indent(text, begin), "pass", "\n" * text.count("\n", begin, end)]
        at = end
    return "".join([*parts, text[at:]])


def hollow(nodes: tuple[ast.stmt, ...], text: str, found: Iterable[Body]) -> tuple[ast.stmt, ...]:
    """The nodes, in which these bodies now wait; where a class with such a body ends is not told. Changes
    them."""
    by_line = {body[0]: body for body in found}
    for function in _functions(nodes):
        body = by_line.get(_line(function.body[0]))
        if body is not None:
            function.body = [Waiting(text, body)]
    return nodes


def _functions(nodes: Iterable[ast.stmt]) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body)


def _line(node: Any) -> int:
    """The line on which a statement begins, with its decorators."""
    decorators = getattr(node, "decorator_list", None)
    return decorators[0].lineno if decorators else node.lineno  # type: ignore[no-any-return]


def _indent(text: str, begin: int) -> str:
    found = re.compile(r"[ \t]*").match(text, begin)
    return "" if found is None else found.group()

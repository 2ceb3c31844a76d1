"""Findings in a program, and changes to it that are offered: the plain data between rules, actions and all
faces.

Places are (line from 1, column in UTF-8 bytes) in the program's text, as `ast` counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bitlens.settings import Severity

Position = tuple[int, int]
Kind = Literal["quickfix", "refactor.rewrite"]


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Text that replaces a range of the program."""

    start: Position
    end: Position
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A change that can be made here. Cheap: the edits are worked out by `bitlens.actions.edits` when it is
    chosen.
    """

    action: str
    """Id of the action that makes it."""
    title: str
    """What the user reads, e.g. `Add freeze(model)`."""
    kind: Kind = "quickfix"
    arguments: tuple[tuple[str, Any], ...] = ()
    """What the action needs to find its place again: names, and lines or values that JSON can hold."""
    safe: bool = False
    """Whether it never changes what the program computes, so that it may be made without a question."""
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says about a place."""

    code: str
    """`BL001`; the rule's manual page has its number."""
    message: str
    start: Position
    end: Position
    severity: Severity = "warning"
    fixes: tuple[Offer, ...] = ()
    deprecated: bool = False


def apply(text: str, edits: Iterable[TextEdit]) -> str:
    """The program with all edits made. Raises ValueError where they overlap."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    spans = [
        (_offset(starts, lines, e.start), _offset(starts, lines, e.end), n, e.text)
        for n, e in enumerate(edits)
    ]
    pieces: list[str] = []
    at = 0
    for start, end, _, new in sorted(spans):
        if start < at:
            raise ValueError("edits overlap")
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])


def _offset(starts: Sequence[int], lines: Sequence[str], position: Position) -> int:
    line, column = position
    if line > len(lines):
        return starts[-1] - 1
    return starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore"))

"""Places in a program's text, changes to it, and the offer to make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["quickfix", "refactor.rewrite", "source.fixAll"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of a program. Lines count from 1; columns from 0, in characters (code points); the end is
    exclusive.
    """

    line: int
    column: int
    end_line: int
    end_column: int

    def touches(self, other: Span) -> bool:
        """Whether the two share a character or a border."""
        mine = ((self.line, self.column), (self.end_line, self.end_column))
        its = ((other.line, other.column), (other.end_line, other.end_column))
        return mine[0] <= its[1] and its[0] <= mine[1]


@dataclass(frozen=True, slots=True, order=True)
class TextEdit:
    """Put `new_text` for the characters from offset `start` up to `end` of a program's text (line ends
    `\\n`).
    """

    start: int
    end: int
    new_text: str


@dataclass(frozen=True, eq=False)
class Offer:
    """A change that the user may choose. It was quick to find that it applies; the edit is made when asked
    for.
    """

    id: str
    """Stable name, e.g. `quantize.qint8` or the code of the rule that it fixes."""
    title: str
    kind: Kind
    safe: bool
    """Whether the program does the same afterwards, or what it was meant to do beyond doubt."""
    make: Callable[[], tuple[TextEdit, ...]]

    def edit(self) -> tuple[TextEdit, ...]:
        """The edits in the order of the text; none of them overlap."""
        return tuple(sorted(self.make()))


def applied(text: str, edits: Iterable[TextEdit]) -> str:
    """The text after the edits. Raises ValueError where two of them overlap."""
    parts, position = [], 0
    for edit in sorted(edits):
        if edit.start < position:
            raise ValueError(f"edits overlap at offset {edit.start}")
        parts += [text[position : edit.start], edit.new_text]
        position = edit.end
    return "".join([*parts, text[position:]])


def smallest(text: str, start: int, end: int, new: str) -> tuple[TextEdit, ...]:
    """One edit that puts `new` for text[start:end] and touches no character that stays; none if all stay."""
    old = text[start:end]
    if old == new:
        return ()
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    rest = shorter - head
    tail = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    return (TextEdit(start + head, end - tail, new[head : len(new) - tail]),)

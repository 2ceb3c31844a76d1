"""Open documents: their text as the client has it, edited in place, and the identity of every line.

A line keeps its id while it is edited and moved, so numbers that belong to a line stay with it between an
edit and the next answer. Nothing here knows the protocol's types.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bitlens_server.positions import Encoding, index, split, without_end

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that replaces a range; `start` and `end` are (line from 0, column in code units), None for
    everything.
    """

    text: str
    start: tuple[int, int] | None = None
    end: tuple[int, int] | None = None


class TextDocument:
    """One file or notebook cell that is open in the editor."""

    def __init__(self, uri: str, text: str, version: int) -> None:
        self.uri = uri
        self.version = version
        self.lines = split(text)
        self.raw = list(map(without_end, self.lines))
        """The lines without their ends."""
        self.ids = _fresh(len(self.lines))
        self.saved_ids = tuple(self.ids)
        """The ids as they were when the text was last the same as on disk."""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)

    def saved(self) -> None:
        """The text is now the same as on disk."""
        self.saved_ids = tuple(self.ids)

    def apply(self, edits: Sequence[Edit], version: int, encoding: Encoding) -> None:
        """Make the edits one after the other."""
        for edit in edits:
            if edit.start is None or edit.end is None:
                self._replace_all(edit.text)
            else:
                self._replace(edit.start, edit.end, edit.text, encoding)
        self.version = version

    def _replace(self, start: tuple[int, int], end: tuple[int, int], text: str, encoding: Encoding) -> None:
        first, head = self._place(start, encoding)
        last, tail = self._place(max(start, end), encoding)
        prefix, suffix = self.lines[first][:head], self.lines[last][tail:]
        if not prefix and first and self.lines[first - 1].endswith("\r"):
            first -= 1  # a line feed written after a lone carriage return makes one line end of the two
            prefix = self.lines[first]
        new = split(prefix + text + suffix)
        if last + 1 < len(self.lines) and not new[-1]:
            new.pop()  # the next line follows
        self.ids[first : last + 1] = _kept(self.ids[first : last + 1], len(new), prefix, suffix)
        self.lines[first : last + 1] = new
        self.raw[first : last + 1] = map(without_end, new)

    def _place(self, position: tuple[int, int], encoding: Encoding) -> tuple[int, int]:
        """Line and index into it, cut to what there is."""
        line, character = position
        if line >= len(self.lines):
            return len(self.lines) - 1, len(self.lines[-1])
        return line, index(self.raw[line], character, encoding)

    def _replace_all(self, text: str) -> None:
        new = split(text)
        same = _common(self.lines, new)
        left, right = self.lines[same:], new[same:]
        end = _common(left[::-1], right[::-1])
        middle = len(right) - end
        kept = self.ids[same : same + middle] if middle == len(left) - end else _fresh(middle)
        self.ids = [*self.ids[:same], *kept, *(self.ids[-end:] if end else [])]
        self.lines = new
        self.raw = list(map(without_end, new))


def _fresh(count: int) -> list[int]:
    return list(itertools.islice(_ids, count))


def _kept(old: list[int], count: int, prefix: str, suffix: str) -> list[int]:
    """Ids of `count` lines that stand where `old` stood; text before and after the edit keeps its line's."""
    if count == len(old):
        return old
    ids = _fresh(count)
    if not ids:
        return ids
    head, tail = bool(prefix.strip()), bool(suffix.strip())
    if tail and (len(old) > 1 or not head):
        ids[-1] = old[-1]
    if head:
        ids[0] = old[0]
    return ids


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


@dataclass
class Notebook:
    """An open notebook: its code cells in order, each a TextDocument."""

    uri: str
    version: int
    order: list[str] = field(default_factory=list)
    cells: dict[str, TextDocument] = field(default_factory=dict)
    """Text of every code cell, by its URI; a cell in `order` that is not here holds no code."""

    def code(self) -> Iterator[TextDocument]:
        """The code cells in order."""
        return (self.cells[uri] for uri in self.order if uri in self.cells)

    def splice(self, start: int, count: int, documents: Sequence[str]) -> None:
        """Replace `count` cells from `start` on."""
        self.order[start : start + count] = documents

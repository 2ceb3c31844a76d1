"""The state of one file or notebook after one edit, frozen: what every feature's answer is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bitlens.source.notebook import CellLine, blank_magics

from bitlens_server.documents import Notebook, TextDocument
from bitlens_server.positions import BOM


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a program that stand in one document of the editor: all of a file, or one cell."""

    uri: str
    version: int
    first: int
    """Line of the program (from 0) with which the document starts."""
    count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One program as the editor has it."""

    uri: str
    path: Path
    version: int
    """Counts every change of the program, in whichever cell."""
    raw: tuple[str, ...]
    """Every line without its end, as the client counts its columns."""
    ids: tuple[int, ...]
    saved_ids: tuple[int, ...]
    parts: tuple[Part, ...]
    is_notebook: bool

    @property
    def text(self) -> str:
        """The program: line ends of `\\n`, no byte order mark; in a notebook, magics emptied."""
        if self.is_notebook:
            return "\n".join(self._cell(part) for part in self.parts) + "\n"
        return "\n".join(self.raw).removeprefix(BOM)

    def _cell(self, part: Part) -> str:
        return blank_magics("\n".join(self.raw[part.first : part.first + part.count]))

    @property
    def cells(self) -> tuple[CellLine, ...] | None:
        """For a notebook, where each line of `text` stands, cells counted from 0 among the code cells."""
        if not self.is_notebook:
            return None
        return tuple(
            CellLine(index, line)
            for index, part in enumerate(self.parts)
            for line in range(1, part.count + 1)
        )

    def moved(self, now: Snapshot) -> Callable[[int], int]:
        """Says where a line of this snapshot (from 1) stands in a later one; 0 for a line that is gone."""
        if now is self or now.ids == self.ids:
            return lambda line: line
        lines = {id: number for number, id in enumerate(now.ids, 1)}
        return lambda line: lines.get(self.ids[line - 1], 0)

    def line_of(self, id: int) -> int | None:
        """The line (from 1) of an identity; None where it is gone."""
        return self.ids.index(id) + 1 if id in self.ids else None

    def part(self, uri: str) -> Part | None:
        """The part that stands in a document; None if it is no part of this program."""
        return next((part for part in self.parts if part.uri == uri), None)

    def locate(self, line: int) -> tuple[Part, int] | None:
        """The document that holds a line (from 0) of the program, and the line in it; None past the end."""
        for part in self.parts:
            if part.first <= line < part.first + part.count:
                return part, line - part.first
        return None


def of_file(document: TextDocument, path: Path, version: int) -> Snapshot:
    """The snapshot of an open file."""
    raw = tuple(document.raw)
    part = Part(document.uri, document.version, 0, len(raw))
    return Snapshot(document.uri, path, version, raw, tuple(document.ids), document.saved_ids, (part,), False)


def of_notebook(notebook: Notebook, path: Path, version: int) -> Snapshot:
    """The snapshot of an open notebook: its code cells as one program, in order."""
    raw: list[str] = []
    ids: list[int] = []
    parts: list[Part] = []
    for cell in notebook.code():
        parts.append(Part(cell.uri, cell.version, len(raw), len(cell.lines)))
        raw += cell.raw
        ids += cell.ids
    return Snapshot(notebook.uri, path, version, tuple(raw), tuple(ids), tuple(ids), tuple(parts), True)

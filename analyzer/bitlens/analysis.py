"""The front door to everything that runs nothing: a program's text and all that is known of it, frozen.

Every feature, rule and action is a function of an `Analysis`. It holds no open file, no thread and no
process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bitlens.numbers import LineNumbers, Numbers
from bitlens.problems import Problem
from bitlens.settings import Settings
from bitlens.sites import Site
from bitlens.source.notebook import CellLine
from bitlens.source.program import Program, program_of


@dataclass(frozen=True, eq=False)
class Placed:
    """Numbers of a model and how they stand to the text of now."""

    numbers: Numbers
    file: str
    """This file, as the numbers name it."""
    here: Mapping[int, int]
    """Line of this file when the numbers were made to line now; a line that is gone is absent."""
    stale: bool = False
    """Whether something that the model depends on has changed since."""


@dataclass(frozen=True, eq=False)
class Entry:
    """What one line of the text of now constructs, in one model."""

    line: int
    placed: Placed
    numbers: LineNumbers

    @property
    def measured(self) -> bool:
        """Whether the numbers come from a model that was built."""
        return self.placed.numbers.origin == "measured"


@dataclass(frozen=True, eq=False)
class Analysis:
    """One program at one moment."""

    path: Path
    text: str
    """The program, line ends of `\\n`; a notebook's code cells in order."""
    placed: tuple[Placed, ...] = ()
    """Newest first."""
    settings: Settings = field(default_factory=Settings)
    sites: tuple[Site, ...] = ()
    """Where models are built and defined, on the lines of now; empty until that was worked out."""
    roots: tuple[str, ...] = ()
    """Models that the source alone tells; the numbers of a line may differ between them."""
    root: str | None = None
    """The one of them that the user chose; None for all, shown as a range."""
    problems: tuple[Problem, ...] = ()
    """What went wrong when models of this program were measured or evaluated."""
    version: int = 0
    """Of the text."""
    cells: tuple[CellLine, ...] | None = None
    """For a notebook, where each line of `text` stands; None for a Python file."""
    written: Placed | None = None
    """What single lines say of their layers, for lines that no model reaches."""
    originals: tuple[Placed, ...] = ()
    """Measured models as they are before the program quantizes them, where their float weights are gone
    afterwards. For rules alone.
    """

    @cached_property
    def program(self) -> Program:
        """The text as statements. Costs milliseconds: an answer that is needed while people type does
        without.
        """
        return program_of(self.text, self.path, self.cells)

    @property
    def file(self) -> str:
        """The absolute path, as measurements name it."""
        return str(self.path.absolute())

    def knowing(self, numbers: Iterable[Numbers]) -> Analysis:
        """The same with numbers that were made from this very text."""
        here = {line: line for line in range(1, self.text.count("\n") + 2)}
        return replace(self, placed=tuple(Placed(one, self.file, here) for one in numbers))

    @cached_property
    def lines(self) -> Mapping[int, tuple[Entry, ...]]:
        """Line (from 1) to what it constructs: measured models, or where there is none, static ones."""
        found: dict[int, list[Entry]] = defaultdict(list)
        for placed in self.placed:
            for entry in _entries(placed):
                found[entry.line].append(entry)
        alone = {entry.line: [entry] for entry in _entries(self.written)} if self.written else {}
        return {line: _best(entries) for line, entries in {**alone, **found}.items()}

    @cached_property
    def models(self) -> Mapping[int, tuple[Placed, ...]]:
        """Line (from 1) to the models that the expression on it builds, measured ones alone where there are
        any.
        """
        found: dict[int, list[Placed]] = defaultdict(list)
        for placed in self.placed:
            model = placed.numbers.model
            now = placed.here.get(model.line) if model.line and model.file == placed.file else None
            if now is not None:
                found[now].append(placed)
        return {line: _measured_first(placed) for line, placed in found.items()}


def _entries(placed: Placed) -> Iterator[Entry]:
    for line, numbers in placed.numbers.by_line(placed.file).items():
        now = placed.here.get(line)
        if now is not None:
            yield Entry(now, placed, numbers)


def _best(entries: list[Entry]) -> tuple[Entry, ...]:
    measured = tuple(entry for entry in entries if entry.measured)
    return measured or tuple(entries)


def _measured_first(placed: list[Placed]) -> tuple[Placed, ...]:
    measured = tuple(p for p in placed if p.numbers.origin == "measured")
    return measured or tuple(placed)

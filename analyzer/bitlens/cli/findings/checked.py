"""What one run of `bitlens check` found, by file, before it is written in any format."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bitlens.analysis import Analysis
from bitlens.problems import Problem
from bitlens.rules import Finding


@dataclass(frozen=True, eq=False)
class Located:
    """A finding and its place. Lines and columns count from 1, in a notebook within the cell."""

    finding: Finding
    file: str
    """Relative to where the command runs, with forward slashes."""
    cell: int | None
    """Of a notebook, counted from 1 among all cells."""
    line: int
    column: int
    end_line: int
    end_column: int
    fingerprint: str
    """Stays when lines move: a hash of file, rule, subject, and which of several of the same it is."""

    @property
    def place(self) -> str:
        """`file:line:column`, with the cell of a notebook."""
        cell = f":cell {self.cell}" if self.cell is not None else ""
        return f"{self.file}{cell}:{self.line}:{self.column}"

    @property
    def message(self) -> str:
        """The message; in a notebook it starts with the cell, for formats that know only lines."""
        return f"Cell {self.cell}: {self.finding.message}" if self.cell is not None else self.finding.message


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that a format shows."""

    findings: tuple[Located, ...]
    problems: tuple[Problem, ...]
    """What could not be checked, and why."""
    files: tuple[str, ...]
    fixed: int = 0
    """Findings that `--fix` mended."""
    accepted: tuple[int, str] | None = None
    """How many findings `--write-baseline` left out here, and the file that holds them now."""


def shown_path(path: Path) -> str:
    """A path relative to where the command runs, with forward slashes; absolute on another drive."""
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def located(analysis: Analysis, found: Iterable[Finding]) -> list[Located]:
    """The findings of a program with their places in its file."""
    file, counts = shown_path(analysis.path), Counter[tuple[str, str]]()
    result = []
    for finding in found:
        counts[finding.code, finding.subject] += 1
        occurrence = counts[finding.code, finding.subject]
        key = "\0".join([file, finding.code, finding.subject, str(occurrence)])
        result.append(_located(analysis, finding, file, hashlib.sha256(key.encode()).hexdigest()[:32]))
    return result


def _located(analysis: Analysis, finding: Finding, file: str, fingerprint: str) -> Located:
    span = finding.span
    place = analysis.program.cell(span.line)
    moved = span.line - place.line if place is not None else 0
    return Located(
        finding,
        file,
        place.cell + 1 if place is not None else None,
        span.line - moved,
        span.column + 1,
        max(span.end_line - moved, 1),
        span.end_column + 1,
        fingerprint,
    )

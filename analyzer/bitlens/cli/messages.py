"""Problems as lines of text."""

from __future__ import annotations

import sys
from pathlib import Path

from bitlens.measurement import Layer, Line, Model
from bitlens.problems import Problem
from bitlens.quantities import printable
from bitlens.report_json import relative_file

FAILED = 2
"""Exit code where there is no answer."""


def fail(message: str) -> int:
    """Say why there is no answer, on stderr; returns the exit code for that."""
    lines = [printable(line) for line in message.splitlines()]
    print("bitlens: " + "\n".join(lines), file=sys.stderr)
    return FAILED


def cell_of(placed: Model | Layer | Line | Problem) -> str | None:
    """How the cell of a notebook is named between file and line; None in a file."""
    return f"cell {placed.cell}" if placed.cell else None


def place_of(placed: Model | Layer | Line, file: str) -> str:
    """`file:line`, in a notebook `file:cell N:line`."""
    return ":".join(str(part) for part in (file, cell_of(placed), placed.line) if part is not None)


def problem_line(problem: Problem, severity: bool = True) -> str:
    """`file:line:column: severity: message`, without what is unknown; the file as seen from here."""
    file = relative_file(problem.file, Path.cwd()) if problem.file else None
    parts = (file, cell_of(problem), problem.line, problem.column)
    place = ":".join(str(part) for part in parts if part is not None)
    return ": ".join(filter(None, (place, problem.severity if severity else "", problem.message)))

"""What went wrong, said once: the place, a stable code, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about the input. `line` and `column` count from 1; None where a place has no meaning."""

    code: str
    """Stable kebab-case name, e.g. `syntax-error`, `no-model`, `import-failed`, `time-limit`."""
    message: str
    """What is wrong and the way out, in one or two sentences."""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    severity: Severity = "error"
    cell: int | None = None
    """In a notebook: the cell, counted from 1, in which `line` stands."""


class BitlensError(Exception):
    """Raised where no answer is possible at all; the command line prints the problem and exits with 2."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem

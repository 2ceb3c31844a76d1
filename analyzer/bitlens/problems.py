"""What went wrong, said once: the place, a stable code, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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


@contextmanager
def collected(problems: list[Problem]) -> Iterator[None]:
    """One file that cannot be read takes no answer about the others away; what all have is told once, and
    what was a warning only once, as the error that it became.
    """
    try:
        yield
    except BitlensError as error:
        problems[:] = [one for one in problems if one != replace(error.problem, severity="warning")]
        problems += [error.problem] if error.problem not in problems else []

"""What is shown, before anyone decides how: words with a meaning, in lines and tables; and as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bitlens.cli.messages import problem_line
from bitlens.problems import Problem, Severity
from bitlens.quantities import printable

Role = Literal["", "title", "group", "quiet", "warning", "error"]


@dataclass(frozen=True)
class Words:
    """A line or a cell: one text, and what it means to the reader. Holds no control characters."""

    text: str
    role: Role = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))


@dataclass(frozen=True)
class Column:
    """A column; the one with the highest `spare` is left out first where a terminal is too narrow."""

    title: tuple[str, ...]
    align: Literal["left", "right"] = "right"
    spare: int = 0


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Words, ...], ...]

    def widths(self) -> list[int]:
        """Characters that each column needs so that nothing is cut."""
        return [
            max(map(len, (*column.title, *(row[at].text for row in self.rows))))
            for at, column in enumerate(self.columns)
        ]

    def without(self, left_out: int) -> Table:
        """The same table less one column."""
        columns = self.columns[:left_out] + self.columns[left_out + 1 :]
        return Table(columns, tuple(row[:left_out] + row[left_out + 1 :] for row in self.rows))


Block = Words | Table


def plain(blocks: list[Block]) -> str:
    """Text for files, pipes and programs: aligned by spaces, nothing wrapped or cut, no escape codes."""
    lines: list[str] = []
    for block in blocks:
        lines += _plain_table(block) if isinstance(block, Table) else [block.text]
    return "".join(f"{line}\n" for line in lines)


def _plain_table(table: Table) -> list[str]:
    widths = table.widths()
    height = max(len(column.title) for column in table.columns)
    header = [[*[""] * (height - len(column.title)), *column.title] for column in table.columns]
    rows = [list(line) for line in zip(*header, strict=True)]
    rows += [[cell.text for cell in row] for row in table.rows]
    return [_plain_row(row, widths, table.columns) for row in rows]


def _plain_row(texts: list[str], widths: list[int], columns: tuple[Column, ...]) -> str:
    padded = [
        text.ljust(width) if column.align == "left" else text.rjust(width)
        for text, width, column in zip(texts, widths, columns, strict=True)
    ]
    return "  ".join(padded).rstrip()


_ROLES: dict[Severity, Role] = {"error": "error", "warning": "warning", "information": "quiet"}


def problem_lines(problems: Sequence[Problem]) -> list[Words]:
    """One line for each problem, marked by its severity."""
    return [Words(problem_line(problem), _ROLES[problem.severity]) for problem in problems]

"""The same lines and tables on a terminal: colors, a table that fits the window, bars while layers stream."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Column as RichColumn
from rich.table import Table as RichTable
from rich.text import Text

from bitlens.cli.layers import error_text
from bitlens.cli.table import Block, Column, Table, Words
from bitlens.measuring import Progress
from bitlens.quantities import size

_STYLES = {
    "": "",
    "title": "bold",
    "group": "cyan",
    "quiet": "bright_black",
    "warning": "yellow",
    "error": "bold red",
}
_BETWEEN = 2
"""Spaces between columns."""


def draw(blocks: list[Block], console: Console) -> None:
    """Print the blocks; columns that a narrow window has no room for are left out and named."""
    for block in blocks:
        if isinstance(block, Words):
            console.print(_text(block), soft_wrap=False)
            continue
        table, missing = _fitting(block, console.width)
        console.print(_rich_table(table))
        if missing:
            console.print(
                Text(f"no room for: {', '.join(missing)}; widen the window, or --format json", "bright_black")
            )


def _fitting(table: Table, room: int) -> tuple[Table, list[str]]:
    missing: list[str] = []
    while _width(table) > room:
        spare, at = max((column.spare, at) for at, column in enumerate(table.columns))
        if spare == 0:
            break
        missing.insert(0, " ".join(table.columns[at].title))
        table = table.without(at)
    return table, missing


def _width(table: Table) -> int:
    widths = [
        max(max(map(len, _header(column).split("\n"))), *(len(row[at].text) for row in table.rows), 0)
        for at, column in enumerate(table.columns)
    ]
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _rich_table(table: Table) -> RichTable:
    columns = [
        RichColumn(
            Text(_header(column)), justify=column.align, overflow="fold", no_wrap=column.align == "right"
        )
        for column in table.columns
    ]
    drawn = RichTable(*columns, box=None, padding=(0, _BETWEEN, 0, 0), pad_edge=False, header_style="bold")
    drawn.show_header = any(column.title for column in table.columns)
    for row in table.rows:
        drawn.add_row(*map(_text, row))
    return drawn


def _header(column: Column) -> str:
    """A long id breaks after its dots."""
    return "\n".join(line.replace(".", ".\n") if len(line) > 12 else line for line in column.title)


def _text(words: Words) -> Text:
    return Text(words.text, _STYLES[words.role])


class Bars:
    """One progress bar for each model while its layers stream in, on stderr."""

    def __init__(self, console: Console) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[layer]}", markup=False, style="bright_black"),
            console=console,
            transient=True,
        )
        self._waiting = self._progress.add_task("building", total=None, layer="")

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def take(self, event: Progress) -> None:
        """Move a bar; what is estimated already is written above it."""
        self.show(event.model, event.done, event.total, event.layer)
        for scheme, result in (event.estimates or {}).items():
            if result.converted and result.relative_error is not None:
                said = f"{event.model}, {scheme}: {size(result.bytes)}, weight error {error_text(result)}"
                self._progress.console.print(Text(Words(said).text, _STYLES["quiet"]))

    def show(self, model: str, done: int, total: int | None, layer: str) -> None:
        """Move the bar of `model`; a bar appears with its first event."""
        name, place = Words(model).text, Words(layer).text
        if name not in self._tasks:
            self._progress.update(self._waiting, visible=False)
            self._tasks[name] = self._progress.add_task(name, total=total, layer=place)
        self._progress.update(self._tasks[name], completed=done, total=total, layer=place)

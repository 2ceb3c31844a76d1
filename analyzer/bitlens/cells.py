"""A report about a notebook, with its lines counted as its reader counts them: inside their cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from bitlens.measurement import Layer, Line, Model, Report
from bitlens.problems import Problem
from bitlens.source.program import Program

_Placed = TypeVar("_Placed", Layer, Line, Model, Problem)


def in_cells(report: Report, notebook: Program) -> Report:
    """`report` with every place in `notebook` as a cell (from 1, among all cells) and a line in that cell."""
    return replace(
        report,
        models=tuple(_model(model, notebook) for model in report.models),
        problems=tuple(placed(problem, notebook) for problem in report.problems),
    )


def _model(model: Model, notebook: Program) -> Model:
    return replace(
        placed(model, notebook),
        layers=tuple(placed(layer, notebook) for layer in model.layers),
        lines=tuple(placed(line, notebook) for line in model.lines),
        problems=tuple(placed(problem, notebook) for problem in model.problems),
    )


def placed(item: _Placed, notebook: Program) -> _Placed:
    """`item` with the cell in which it stands, and its line there."""
    if item.file != notebook.file or item.line is None:
        return item
    place = notebook.cell(item.line)
    return item if place is None else replace(item, line=place.line, cell=place.cell + 1)

"""What can be done to a program at a place: one refactoring per file, the fixes of findings, and all safe
fixes.

An action needs no registration: a new file with an `ACTION` and a docstring is found by walking this folder.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import groupby

from bitlens.actions._action import Action
from bitlens.analysis import Analysis
from bitlens.editing.code import code_of
from bitlens.editing.offers import Offer, Span, TextEdit, applied, smallest
from bitlens.rules import findings
from bitlens.source.notebook import CellLine

__all__ = [
    "Action",
    "Offer",
    "Span",
    "TextEdit",
    "actions",
    "applied",
    "edited",
    "fix_all",
    "fixed",
    "offered",
    "offers",
]

_ROUNDS = 20
"""A fix can make room for another one; none of ours needs more than three rounds."""


@cache
def actions() -> tuple[Action, ...]:
    """Every action, by its id."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    found = (importlib.import_module(f"{__name__}.{name}").ACTION for name in names)
    return tuple(sorted(found, key=lambda action: action.id))


def offered(analysis: Analysis, span: Span) -> tuple[Offer, ...]:
    """What can be done at a place: fixes of the findings there first, then what the actions offer.

    Quick; `Offer.edit` makes the edit. Nothing of the program runs.
    """
    fixes = [f.fix for f in findings(analysis) if f.fix is not None and f.span.touches(span)]
    made = {fix.edit() for fix in fixes}
    others = offers(analysis, span)
    return (*fixes, *(other for other in others if not made or other.edit() not in made))


def offers(analysis: Analysis, span: Span) -> tuple[Offer, ...]:
    """What the actions offer at a place, without the fixes of findings."""
    code = code_of(analysis)
    return tuple(offer for action in actions() for offer in action.offers(analysis, code, span))


def fix_all(analysis: Analysis) -> Offer | None:
    """All safe fixes as one offer, of kind `source.fixAll`; None where there is none."""
    if not any(f.fix is not None and f.fix.safe for f in findings(analysis)):
        return None

    def make() -> tuple[TextEdit, ...]:
        if analysis.cells is not None:  # one edit cannot span cells; the rest is offered again
            return tuple(_compatible(analysis, None, False))
        return smallest(analysis.text, 0, len(analysis.text), fixed(analysis).text)

    return Offer("fixAll", "Fix all that bitlens can fix safely", "source.fixAll", True, make)


def fixed(analysis: Analysis, rules: frozenset[str] | None = None, unsafe: bool = False) -> Analysis:
    """The program after the safe fixes (of the rules with these codes, or all), again until none is left."""
    for _ in range(_ROUNDS):
        edits = list(_compatible(analysis, rules, unsafe))
        if not edits:
            break
        analysis = edited(analysis, edits)
    return analysis


def _compatible(analysis: Analysis, rules: frozenset[str] | None, unsafe: bool) -> Iterator[TextEdit]:
    """The edits of the fixes that do not touch each other, earlier ones first."""
    taken: list[TextEdit] = []
    for finding in findings(analysis):
        if finding.fix is None or not (unsafe or finding.fix.safe):
            continue
        if rules is not None and finding.code not in rules:
            continue
        edits = finding.fix.edit()
        if not any(edit.start <= other.end and other.start <= edit.end for edit in edits for other in taken):
            taken += edits
    yield from taken


def edited(analysis: Analysis, edits: Iterable[TextEdit]) -> Analysis:
    """The analysis of the text after edits, in a notebook with each in its own cell; what was measured is
    left out.
    """
    edits = sorted(edits)
    if analysis.cells is None:
        return replace(analysis, text=applied(analysis.text, edits), placed=())
    texts: list[str] = []
    cells: list[CellLine] = []
    for cell, start, end in _cells(analysis):
        inside = [e for e in edits if start <= e.start <= end]
        moved = [TextEdit(e.start - start, min(e.end, end) - start, e.new_text) for e in inside]
        texts.append(applied(analysis.text[start:end], moved))
        cells += [CellLine(cell, number) for number in range(1, texts[-1].count("\n") + 2)]
    return replace(analysis, text="\n".join(texts) + "\n", cells=tuple(cells), placed=())


def _cells(analysis: Analysis) -> Iterator[tuple[int, int, int]]:
    """Each cell with the offsets at which its text begins and ends, its last line end left out."""
    lines = analysis.text.split("\n")
    start = 0
    for cell, places in groupby(analysis.cells or (), key=lambda place: place.cell):
        count = sum(1 for _ in places)
        end = start + len("\n".join(lines[:count]))
        yield cell, start, end
        lines = lines[count:]
        start = end + 1

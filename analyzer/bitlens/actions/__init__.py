"""What can be done to a program at a place: one refactoring per file, the fixes of findings, and all safe
fixes.

An action needs no registration: a new file with an `ACTION` and a docstring is found by walking this folder.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from bitlens.actions._action import Action
from bitlens.analysis import Analysis
from bitlens.editing.code import code_of
from bitlens.editing.offers import Offer, Span, TextEdit, applied, smallest
from bitlens.rules import findings

__all__ = ["Action", "Offer", "Span", "TextEdit", "actions", "applied", "fix_all", "fixed", "offered", "offers"]

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
    return (*fixes, *offers(analysis, span))


def offers(analysis: Analysis, span: Span) -> tuple[Offer, ...]:
    """What the actions offer at a place, without the fixes of findings."""
    code = code_of(analysis)
    return tuple(offer for action in actions() for offer in action.offers(analysis, code, span))


def fix_all(analysis: Analysis) -> Offer | None:
    """All safe fixes as one offer, of kind `source.fixAll`; None where there is none."""
    if not any(f.fix is not None and f.fix.safe for f in findings(analysis)):
        return None

    def make() -> tuple[TextEdit, ...]:
        text = fixed(analysis)
        return smallest(analysis.text, 0, len(analysis.text), text)

    return Offer("fixAll", "Fix all that bitlens can fix safely", "source.fixAll", True, make)


def fixed(analysis: Analysis, select: frozenset[str] | None = None, unsafe: bool = False) -> str:
    """The program's text after the safe fixes (of the rules in `select`, or all), again until none is left."""
    for _ in range(_ROUNDS):
        edits = list(_compatible(analysis, select, unsafe))
        if not edits:
            break
        analysis = _with_text(analysis, applied(analysis.text, edits))
    return analysis.text


def _compatible(analysis: Analysis, select: frozenset[str] | None, unsafe: bool) -> Iterator[TextEdit]:
    """The edits of the fixes that do not touch each other, earlier ones first."""
    taken: list[TextEdit] = []
    for finding in findings(analysis):
        if finding.fix is None or not (unsafe or finding.fix.safe):
            continue
        if select is not None and finding.code not in select:
            continue
        edits = finding.fix.edit()
        if not any(edit.start <= other.end and other.start <= edit.end for edit in edits for other in taken):
            taken += edits
    yield from taken


def _with_text(analysis: Analysis, text: str) -> Analysis:
    """The same analysis of another text: what was measured stays with its lines, which may have moved."""
    return replace(analysis, text=text, placed=())

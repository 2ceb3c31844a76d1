"""Refactorings, one per file, found by walking this folder.

An action file has `ACTION`, an object as `Action` says: first a quick look at what applies, then, for the
one that
was chosen, the edits.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import Protocol

from bitlens.analysis import Analysis
from bitlens.edits import Offer, Position, TextEdit

__all__ = ["Action", "all_actions", "edits", "offers"]


class Action(Protocol):
    """One refactoring."""

    id: str
    """Kebab-case, e.g. `insert-quantize`."""

    def offers(self, analysis: Analysis, start: Position, end: Position) -> Iterable[Offer]:
        """What can be done at a selection. Quick: an editor asks at every move of the caret."""
        ...

    def edits(self, analysis: Analysis, offer: Offer) -> tuple[TextEdit, ...]:
        """The change; empty where the text no longer fits the offer."""
        ...


@cache
def all_actions() -> dict[str, Action]:
    """Every action by its id."""
    modules = (importlib.import_module(m.name) for m in pkgutil.iter_modules(__path__, __name__ + "."))
    found = [module.ACTION for module in modules if hasattr(module, "ACTION")]
    return {action.id: action for action in sorted(found, key=lambda action: action.id)}


def offers(analysis: Analysis, start: Position, end: Position) -> tuple[Offer, ...]:
    """Everything that can be done at a selection."""
    return tuple(offer for action in all_actions().values() for offer in action.offers(analysis, start, end))


def edits(analysis: Analysis, offer: Offer) -> tuple[TextEdit, ...]:
    """The edits of an offer; empty where the action is unknown or no longer fits."""
    action = all_actions().get(offer.action)
    return () if action is None else action.edits(analysis, offer)

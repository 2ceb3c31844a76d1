"""What an action is; every file of this folder without a leading underscore holds one, as `ACTION`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bitlens.analysis import Analysis
from bitlens.editing.code import Bound, Code
from bitlens.editing.offers import Offer, Span, TextEdit


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of change. Its manual page is the docstring of its file."""

    id: str
    """What the ids of its offers begin with."""
    offers: Callable[[Analysis, Code, Span], Iterator[Offer]]
    """Quick: what could be done at a place. The edits are made when an offer's `edit` is called."""


def rewrite(id: str, title: str, make: Callable[[], tuple[TextEdit, ...]]) -> Offer:
    """An offer that changes what the program does, as the user asks."""
    return Offer(id, title, "refactor.rewrite", False, make)


def bound_at(code: Code, span: Span) -> Iterator[Bound]:
    """The statements that give a model to a variable, if one stands at the place."""
    for bound in (bound for region in code.regions if region.touches(span) for bound in region.bound):
        if code.span(bound.atom.node, bound.atom).touches(span):
            yield bound

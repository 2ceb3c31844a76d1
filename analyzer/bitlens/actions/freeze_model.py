"""Convert the weights of a quantized model for good: quanto's `freeze(model)`.

Offered on a call of quanto's `quantize` that nothing in the scope freezes. Inserts `freeze(model)` before the
model is saved or measured, else right behind the call, and imports it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bitlens.actions._action import Action, rewrite
from bitlens.analysis import Analysis
from bitlens.editing.acts import Act, acts, covers
from bitlens.editing.code import Code, Region
from bitlens.editing.offers import Offer, Span
from bitlens.rules.not_frozen import frozen, too_early


def _offers(_: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    for region in code.regions if "quantize" in code.text else ():
        done = acts(code, region)
        for position, act in enumerate(done):
            ours = act.kind == "quantize" and act.detail == "quanto"
            if ours and code.span(act.call, act.atom).touches(span) and not _frozen(act, done[position:]):
                yield _offer(code, region, act, too_early(act, done))


def _frozen(act: Act, later: list[Act]) -> bool:
    return any(other.kind == "freeze" and covers(other.model, act.model) for other in later)


def _offer(code: Code, region: Region, act: Act, event: Act | None) -> Offer:
    return rewrite("freeze", f"Freeze `{act.model}`", lambda: frozen(code, region, act, event))


ACTION = Action("freeze", _offers)

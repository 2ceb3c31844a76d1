"""Quantize a model so that it fits into a memory budget: the plan in words, and the edit that carries it out.

Each layer gets the quanto format, or none, with which the whole has the least weight error within the budget.
The edit inserts one `quantize(model, weights=…)` for each format, with the shortest `include=` or `exclude=`
that names its layers, and `freeze(model)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bitlens.actions.quantize_model import is_module, is_quantized, quanto_breaks, reached
from bitlens.analysis import Analysis, Placed
from bitlens.editing import placing
from bitlens.editing.acts import QUANTO
from bitlens.editing.code import Bound, Code, code_of
from bitlens.editing.completing import complete
from bitlens.editing.excluding import patterns, quote_of
from bitlens.editing.importing import spelled
from bitlens.editing.offers import Span, TextEdit
from bitlens.features.fitting import Plan, best_plan, taken
from bitlens.features.labels import scheme
from bitlens.problems import BitlensError, Problem
from bitlens.quantities import parse_size, percent, size

LIBRARY = "quanto"
_WIDTH = 88
"""A call that would be longer is written on several lines."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A model, and how it can be made to fit."""

    model: str
    budget: int
    plan: Plan
    edits: tuple[TextEdit, ...]
    """Empty where the model fits as it is."""

    @property
    def said(self) -> str:
        """`46.1 MB → 12.0 MB of 16 MB: 24 layers int4, 9 int8, 3 as they are; weight error 4.2%`."""
        plan = self.plan
        if not self.edits:
            return f"`{self.model}` takes {size(plan.before)} and fits into {size(self.budget)} as it is"
        counts = Counter(plan.schemes.values())
        words = [f"{number} × {scheme(id)}" for id, number in sorted(counts.items())]
        kept = len(plan.convertible) - len(plan.schemes)
        words += [f"{kept} left as they are"] if kept else []
        into = f"{size(plan.before)} → {size(plan.bytes)} of {size(self.budget)}"
        return f"{into}: {', '.join(words)}; weight error {percent(plan.error)}"


def default_budget(analysis: Analysis, placed: Placed | None) -> int | None:
    """Bytes that a model may take: the project's budget, or all that its device has; None if neither is
    known.
    """
    if analysis.settings.diagnostics.budget:
        return parse_size(analysis.settings.diagnostics.budget)
    return placed.numbers.environment.device_memory if placed is not None else None


def measured(analysis: Analysis, name: str | None) -> Placed | None:
    """The newest measured model with a name, or of any."""
    found = (p for p in analysis.placed if p.numbers.origin == "measured" and p.numbers.complete)
    return next((p for p in found if name is None or p.numbers.model.name == name), None)


def fit(analysis: Analysis, placed: Placed, budget: int) -> Fit:
    """The plan for a measured model and its edit.

    Raises BitlensError where the program cannot be changed so, or no plan fits.
    """
    model = placed.numbers.model
    plan = best_plan(model, budget, LIBRARY)
    if plan.before <= budget:
        return Fit(model.name, budget, plan, ())
    code = code_of(analysis)
    bound = _bound(code, placed)
    if placed.stale:
        raise _refusal("it was changed since it was measured; measure it again")
    if bound is None:
        raise _refusal("no variable of this file holds it, so there is no place for `quantize`")
    if is_quantized(code, bound):
        raise _refusal(f"`{bound.variable}` is quantized already; remove that first, and measure it again")
    if quanto_breaks(code):
        raise _refusal(f"the file has layers that do not survive {LIBRARY}, as ones with their own `forward`")
    if not plan.schemes:
        raise _refusal(f"no weight error under a format of {LIBRARY} is known of any of its layers")
    if plan.bytes > budget:
        raise _refusal(f"the smallest that {LIBRARY} makes of it is {size(plan.bytes)}")
    edits = _edits(code, bound, plan, [layer.path for layer in model.layers])
    if not edits:
        raise _refusal("the names of quanto's functions mean something else here")
    return Fit(model.name, budget, plan, edits)


def offered(analysis: Analysis, span: Span) -> Fit | None:
    """The fit to the default budget, on the statement that makes a model which is larger than that."""
    code = code_of(analysis)
    for placed in analysis.placed:
        budget = default_budget(analysis, placed)
        model = placed.numbers.model
        if budget is None or taken(model) <= budget or measured(analysis, model.name) is not placed:
            continue
        bound = _bound(code, placed)
        if bound is not None and code.span(bound.atom.node, bound.atom).touches(span):
            try:
                return fit(analysis, placed, budget)
            except BitlensError:
                return None  # the finding too-large says that nothing makes it fit
    return None


def _refusal(why: str) -> BitlensError:
    return BitlensError(Problem("cannot-fit", f"The model cannot be quantized to fit: {why}."))


def _bound(code: Code, placed: Placed) -> Bound | None:
    """The statement of this text that gives the model to a variable."""
    model = placed.numbers.model
    line = placed.here.get(model.line) if model.line is not None and model.file == placed.file else None
    for bound in code.bound if line is not None else ():
        span = code.span(bound.atom.node, bound.atom)
        if span.line <= (line or 0) <= span.end_line and is_module(code, bound):
            return bound
    return None


def _edits(code: Code, bound: Bound, plan: Plan, everything: Sequence[str]) -> tuple[TextEdit, ...]:
    """Nothing where the functions' names are all taken."""
    place = complete(code, bound)
    names = {id: id.partition(".")[2] for id in sorted(set(plan.schemes.values()))}
    spelling = spelled(code, bound.region, place, QUANTO, ["freeze", "quantize", *names.values()])
    if spelling is None:
        return ()
    written, model = spelling.names, reached(bound)
    first = code.line_text(place.line)
    indent = first[: len(first) - len(first.lstrip())]
    calls = []
    for id, name in names.items():
        keyword, items = _named(plan, id, everything)
        quote = quote_of(code.text)
        shown = [f"{quote}{item}{quote}" for item in items]
        calls.append(_call(f"{written['quantize']}({model}, weights={written[name]}", keyword, shown, indent))
    return (*spelling.edits, placing.after(code, place, *calls, f"{written['freeze']}({model})"))


def _named(plan: Plan, id: str, everything: Sequence[str]) -> tuple[str, list[str]]:
    """`include` or `exclude` with its patterns, whichever has fewer; none where all layers are meant."""
    wanted = [path for path in plan.convertible if plan.schemes.get(path) == id]
    others = [path for path in plan.convertible if plan.schemes.get(path) != id]
    include, exclude = patterns(wanted, everything), patterns(others, everything)
    return ("include", include) if len(include) < len(exclude) else ("exclude", exclude)


def _call(start: str, keyword: str, items: Sequence[str], indent: str) -> str:
    """The call that `start` begins, with a list of strings as its last argument: a line for each if it is
    long.
    """
    if not items:
        return f"{start})"
    line = f"{start}, {keyword}={items[0] if len(items) == 1 else '[' + ', '.join(items) + ']'})"
    if len(indent + line) <= _WIDTH or len(items) == 1:
        return line
    lines = [f"{indent}    {item}," for item in items]
    return "\n".join([f"{start}, {keyword}=[", *lines, f"{indent}])"])

"""What stands above model classes and model expressions: measure, cancel, the summary, the model tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitlens.analysis import Analysis, Placed
from bitlens.quantities import count, size
from bitlens.sites import Site


@dataclass(frozen=True, slots=True)
class Activity:
    """A measurement that is queued or running."""

    model: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Lens:
    """One lens; `command` is a name without prefix and `model` what it is about."""

    line: int
    title: str
    command: str
    model: str


def lenses(analysis: Analysis, activity: Activity | None) -> tuple[Lens, ...]:
    """All lenses of a file."""
    if not analysis.settings.lens.enabled:
        return ()
    return (*_choice(analysis), *(lens for site in analysis.sites for lens in _of(analysis, site, activity)))


def _choice(analysis: Analysis) -> Iterator[Lens]:
    """Above the first class: whose numbers the lines show, where the file has several models."""
    first = min((site.line for site in analysis.sites if site.kind == "class"), default=None)
    if first is not None and len(analysis.roots) > 1:
        whose = analysis.root or f"all {len(analysis.roots)} models"
        yield Lens(first, f"numbers from the source: {whose} · choose", "chooseRoot", analysis.root or "")


def _of(analysis: Analysis, site: Site, activity: Activity | None) -> Iterator[Lens]:
    placed = _numbers(analysis, site)
    if activity is not None and site.kind == "expression":
        yield Lens(site.line, _busy(activity, site), "cancel", site.name)
    elif site.kind == "expression" or placed is None or placed.numbers.origin == "static":
        yield Lens(
            site.line,
            "Measure" if placed is None or not _measured(placed) else "Measure again",
            "measure",
            site.name,
        )
    if placed is not None:
        yield Lens(site.line, summary(placed), "modelTree", placed.numbers.model.name)


def _measured(placed: Placed) -> bool:
    return placed.numbers.origin == "measured"


def _busy(activity: Activity, site: Site) -> str:
    if activity.model != site.name:
        return "waiting to be measured · cancel"
    return f"measuring {activity.done}/{activity.total or '?'} layers · cancel"


def _numbers(analysis: Analysis, site: Site) -> Placed | None:
    """The numbers that a site's lens is about: measured ones before static ones."""
    if site.kind == "expression":
        found = [p for p in analysis.models.get(site.line, ()) if p.numbers.model.name == site.name]
    else:
        found = [p for p in analysis.placed if p.numbers.model.class_.rsplit(".", 1)[-1] == site.name]
    return min(found, key=lambda placed: not _measured(placed), default=None)


def summary(placed: Placed) -> str:
    """`22.7M parameters · 90.9 MB, measured`."""
    model = placed.numbers.model
    words = placed.numbers.origin + ("" if placed.numbers.complete else " so far")
    words += ", stale" if placed.stale else ""
    root = f" for {placed.numbers.root}" if placed.numbers.root and placed.numbers.root != model.name else ""
    total = size(model.memory)
    return f"{count(model.parameters)} parameters · {total}, {words}{root} · model tree"

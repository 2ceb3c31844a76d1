"""Lines for people: place, severity, rule, message, and whether `--fix` can mend it; a count beneath."""

from __future__ import annotations

from collections import Counter

from bitlens.cli.findings.checked import Checked, Located
from bitlens.quantities import printable
from bitlens.settings import Severity


def render(checked: Checked) -> str:
    """One line a finding."""
    return "".join(f"{printable(line)}\n" for line in [*map(_line, checked.findings), *_summary(checked)])


def _line(item: Located) -> str:
    finding = item.finding
    fix = "" if finding.fix is None else " [--fix]" if finding.fix.safe else " [--unsafe-fixes]"
    return f"{item.place}: {finding.severity}: {finding.code} {finding.message}{fix}"


def _summary(checked: Checked) -> list[str]:
    counts = Counter(item.finding.severity for item in checked.findings)
    said = [
        f"{counts[s]} {s}{'s' if counts[s] > 1 and s != 'information' else ''}" for s in _ORDER if counts[s]
    ]
    files = f"{len(checked.files)} file{'' if len(checked.files) == 1 else 's'}"
    fixed = f", {checked.fixed} fixed" if checked.fixed else ""
    if checked.accepted is not None:
        count, baseline = checked.accepted
        found = f"{count} finding{'' if count == 1 else 's'}"
        return [f"{found} in {files}{fixed}, written to {baseline}"]
    return [f"{', '.join(said) or 'nothing found'} in {files}{fixed}"]


_ORDER: tuple[Severity, ...] = ("error", "warning", "information", "hint")

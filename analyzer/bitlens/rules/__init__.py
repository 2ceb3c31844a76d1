"""What is doubtful in a program that builds, converts or saves a model: one rule per file.

A rule needs no registration: a new file with a `RULE` and a docstring is found by walking this folder.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache

from bitlens.analysis import Analysis
from bitlens.editing.code import code_of
from bitlens.editing.offers import Offer, Span, TextEdit
from bitlens.rules._rule import Rule
from bitlens.rules._suppressed import Suppressed
from bitlens.settings import Settings, Severity

__all__ = ["Finding", "Offer", "Rule", "Span", "TextEdit", "findings", "page", "rules", "unknown"]


@dataclass(frozen=True, eq=False)
class Finding:
    """One doubtful place of a program."""

    code: str
    """Of the rule, e.g. `BL101`."""
    name: str
    """Of the rule, e.g. `not-frozen`."""
    message: str
    span: Span
    severity: Severity
    """As the settings have it; never `off`."""
    fix: Offer | None
    measured: bool
    """Whether it comes from a measurement."""
    subject: str
    """What it is about, without lines: the function and variable, or the module path of a layer."""


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, by its code."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    found = (importlib.import_module(f"{__name__}.{name}").RULE for name in names)
    return tuple(sorted(found, key=lambda rule: rule.code))


def page(rule: Rule) -> str:
    """The manual page of a rule in Markdown, without a heading of its own: the docstring of its file."""
    return inspect.getdoc(sys.modules[rule.find.__module__]) or ""


def unknown(settings: Settings) -> tuple[str, ...]:
    """What is said of codes in the settings that are no rule's; the settings themselves know no rules."""
    given = settings.diagnostics.severity
    known = {rule.code for rule in rules()} if given else set()
    every = ", ".join(sorted(known))
    return tuple(
        f"diagnostics.severity: there is no rule {code!r}; the rules are {every}"
        for code in given
        if code not in known
    )


def findings(analysis: Analysis) -> tuple[Finding, ...]:
    """What the rules find, in the order of the text; without what `# noqa` or a severity `off` silences.

    Rules that need a measurement find nothing where the analysis holds none. Nothing of the program runs.
    """
    found: list[Finding] = []
    severities = analysis.settings.diagnostics.severity
    for rule in rules():
        severity = severities.get(rule.code, rule.severity)
        known = bool(analysis.placed) or not rule.measured
        if severity != "off" and known and _concerns(rule, analysis.text):
            found += _of(rule, analysis, severity)
    if not found:
        return ()
    silenced = Suppressed(code_of(analysis))
    once = {(f.span, f.code, f.subject): f for f in found if not silenced(f.code, f.span)}
    return tuple(once[key] for key in sorted(once))


def _concerns(rule: Rule, text: str) -> bool:
    return all(any(word in text for word in words.split("|")) for words in rule.words)


def _of(rule: Rule, analysis: Analysis, severity: Severity) -> list[Finding]:
    return [
        Finding(rule.code, rule.name, f.message, f.span, severity, f.fix, rule.measured, f.subject)
        for f in rule.find(analysis, code_of(analysis))
    ]

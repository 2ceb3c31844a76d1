"""Findings, one rule per file, found by walking this folder. A rule's docstring is its manual page.

A rule file has `RULE`, an object as `Rule` says. It reads the source and what was measured, and runs nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Protocol

from bitlens.analysis import Analysis
from bitlens.edits import Finding
from bitlens.settings import Severity

__all__ = ["Rule", "all_rules", "findings"]


class Rule(Protocol):
    """One finding."""

    code: str
    """`BL001`."""
    name: str
    """Kebab-case, e.g. `quantize-without-freeze`."""
    severity: Severity
    """Where the settings say nothing."""

    def check(self, analysis: Analysis) -> Iterable[Finding]:
        """Every place in the program that the rule is about."""
        ...


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its code."""
    modules = (importlib.import_module(m.name) for m in pkgutil.iter_modules(__path__, __name__ + "."))
    found = [module.RULE for module in modules if hasattr(module, "RULE")]
    return {rule.code: rule for rule in sorted(found, key=lambda rule: rule.code)}


def findings(analysis: Analysis) -> tuple[Finding, ...]:
    """What every rule that is switched on says, with the severity that the settings ask for, by place."""
    wanted = analysis.settings.diagnostics
    if not wanted.enabled:
        return ()
    found: list[Finding] = []
    for code, rule in all_rules().items():
        severity = wanted.severity.get(code, rule.severity)
        if severity != "off":
            found += [replace(finding, severity=severity) for finding in rule.check(analysis)]
    return tuple(sorted(found, key=lambda finding: (finding.start, finding.code)))

"""Findings as text: one format per file, each a function of what was checked."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from bitlens.cli.findings.checked import Checked

FORMATS = ("table", "json", "github", "sarif", "junit")


def render(name: str) -> Callable[[Checked], str]:
    """The function that writes a format of FORMATS."""
    render: Callable[[Checked], str] = import_module(f"bitlens.cli.findings.{name}").render
    return render

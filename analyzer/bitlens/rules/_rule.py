"""What a rule is; every file of this folder without a leading underscore holds one, as `RULE`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bitlens.analysis import Analysis
from bitlens.editing.code import Code
from bitlens.editing.offers import Kind, Offer, Span, TextEdit
from bitlens.settings import Severity


@dataclass(frozen=True, eq=False)
class Found:
    """What a rule says about one place."""

    span: Span
    message: str
    subject: str
    """What it is about, without lines: the function and variable, or the module path of a layer."""
    fix: Offer | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding. Its manual page is the docstring of its file."""

    code: str
    name: str
    severity: Severity
    words: tuple[str, ...]
    """Separated by `|`, the alternatives of one word; a program without one of each has nothing to find."""
    find: Callable[[Analysis, Code], Iterator[Found]]
    measured: bool = False
    """Whether it needs the numbers of a measurement."""


def fix(code: str, title: str, make: Callable[[], tuple[TextEdit, ...]], safe: bool = False) -> Offer:
    """The offer that mends a finding of the rule `code`."""
    kind: Kind = "quickfix"
    return Offer(code, title, kind, safe, make)

"""The before/after programs of tests/fixtures: one readable file for each rule and action.

    # not-frozen: …               what it shows, then directives such as `# raises: KeyError`
    quantize(model, weights=qint8)
    # ^^^^^^^^^^^^^^^^^^^^^^^^^^ BL101      a place, and the rule or offer that belongs there
    # ==== after                  the program after the fix, or as the message says
    # ==== holds                  what is true when that has run

A marker line says where on the line above it: from the first caret to the last, where `#^` begins under the
`#`. A place that goes on in the next line is marked to the end of its first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from bitlens.analysis import Analysis
from bitlens.rules import Span
from bitlens.settings import Settings, resolve

ROOT = Path(__file__).parent.parent / "fixtures"
_MARKER = re.compile(r"^[ \t]*(?P<hash>#) *(?P<carets>\^+) (?P<what>[\w.-]+)$")
_PART = re.compile(r"^# ==== (after|holds)\n", re.MULTILINE)
_DIRECTIVE = re.compile(r"^# (raises|scheme|settings|warns): (.*)$", re.MULTILINE)


class Marker(NamedTuple):
    """A place of a program and what belongs there."""

    span: Span
    what: str


@dataclass(frozen=True)
class Fixture:
    """One file of tests/fixtures."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.stem

    @property
    def subject(self) -> str:
        """The file of the rule or action: `quantize_model` of `quantize_model__in_a_method.py`."""
        return self.path.stem.partition("__")[0]

    @cached_property
    def _parts(self) -> dict[str, str]:
        first, *rest = _PART.split(self.path.read_text("utf-8"))
        return {"before": first, **dict(zip(rest[::2], rest[1::2], strict=True))}

    @cached_property
    def directives(self) -> dict[str, str]:
        return dict(_DIRECTIVE.findall(self._parts["before"]))

    @property
    def before(self) -> str:
        """The program as it is found, without the marker lines."""
        lines = self._program.splitlines(keepends=True)
        return "".join(line for line in lines if not _MARKER.match(line.rstrip("\n"))).rstrip("\n") + "\n"

    @property
    def _program(self) -> str:
        return re.sub(r"\A(#.*\n)+", "", self._parts["before"])

    @property
    def after(self) -> str:
        return self._parts["after"].rstrip("\n") + "\n"

    @property
    def holds(self) -> str:
        return self._parts.get("holds", "")

    @cached_property
    def markers(self) -> list[Marker]:
        found, count = [], 0
        for line in self._program.splitlines():
            match = _MARKER.match(line)
            if match is None:
                count += 1
                continue
            start = match.start("carets")
            start -= start == match.end("hash")  # `#^` begins under the `#`
            found.append(Marker(Span(count, start, count, match.end("carets")), match["what"]))
        return found

    def analysis(self, text: str | None = None) -> Analysis:
        settings = Settings()
        if "settings" in self.directives:
            value = eval(self.directives["settings"], {})
            settings, wrong = resolve(("fixture", {"diagnostics": value}, True))
            assert not wrong
        return Analysis(
            self.path.with_suffix(".py"), self.before if text is None else text, settings=settings
        )


def fixtures(kind: str) -> list[Fixture]:
    """All fixtures of `rules` or `actions`."""
    return [Fixture(path) for path in sorted((ROOT / kind).glob("*.py"))]

"""Which findings a comment silences: `# noqa`, or `# noqa: BL101, BL203`, on a line of the finding."""

from __future__ import annotations

import re

from bitlens.editing.code import Code
from bitlens.editing.offers import Span

_STRINGS = (
    r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
)
_COMMENT = re.compile(rf"{_STRINGS}|(?P<comment>#[^\n]*)", re.DOTALL)
_NOQA = re.compile(r"#\s*noqa(?P<codes>\s*:\s*[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*)?(?![\w:])", re.IGNORECASE)


class Suppressed:
    """Answers whether a finding is silenced in one program."""

    def __init__(self, code: Code) -> None:
        self._lines = dict(_comments(code.text)) if "noqa" in code.text.lower() else {}

    def __call__(self, rule: str, span: Span) -> bool:
        """Whether a comment on the first or last line of `span` silences `rule`."""
        return any(self._silences(line, rule) for line in (span.line, span.end_line))

    def _silences(self, line: int, rule: str) -> bool:
        if line not in self._lines:
            return False
        codes = self._lines[line]
        return codes is None or rule in codes


def _comments(text: str) -> list[tuple[int, frozenset[str] | None]]:
    found: list[tuple[int, frozenset[str] | None]] = []
    for match in _COMMENT.finditer(text):
        noqa = _NOQA.search(match["comment"] or "")
        if noqa is not None:
            codes = re.findall(r"[A-Z]+\d+", noqa["codes"].upper()) if noqa["codes"] else None
            line = text.count("\n", 0, match.start()) + 1
            found.append((line, frozenset(codes) if codes is not None else None))
    return found

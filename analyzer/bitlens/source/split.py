"""Finds where the top-level statements of a text begin and end, without parsing, in broken text as well."""

from __future__ import annotations

import bisect
import re

from bitlens.source.tokens import STRING_PREFIX

_STRINGS = (
    r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
)
_SCAN = re.compile(
    rf"(?P<start>^\f*(?=[^\s#]))|(?P<string>{_STRINGS})|(?P<comment>#[^\n]*)"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<continued>\\\n)|(?P<broken>['\"][^\n]*)",
    re.DOTALL | re.MULTILINE,
)
_CLAUSE = re.compile(r"\f*(?:else|elif|except|finally)\b|\f*[)\]}]")
_DECORATOR = re.compile(r"\f*@")
# What cannot stand inside brackets: a bracket left open above it is the error, not this line.
_RECOVERY = re.compile(
    r"\f*(?:(?:class|def|import|with|while|try|return|raise|del|pass|assert|global|async\s+def)\b"
    r"|from\s+[\w.]+\s+import\b)"
)
_LINK = re.compile(
    rf"(?P<string>{STRING_PREFIX}(?:{_STRINGS}))|(?P<comment>#[^\n]*)|(?P<open>[(\[{{])|(?P<close>[)\]}}])"
    r"|(?P<separator>,)|(?P<newline>\n)|(?P<link>[-+*/%@&|^~.<>=]|\b(?:not|lambda|if|elif|await|for|and|or)\b)",
    re.DOTALL,
)
MAXIMUM_NESTING = 90
"""Open brackets; CPython's own parser stops at 200."""
MAXIMUM_CHAIN = 400
"""Operators in one expression. Beyond a few thousand libcst's parser overflows the stack of its thread."""
MAXIMUM_BRANCHES = 250
"""Branches of one `if`: each `elif` stands inside the one before, and walks over nodes recurse."""
MAXIMUM_INDENT = 100
"""Levels of blocks, CPython's limit."""


def pieces(text: str) -> list[tuple[int, int]]:
    """Offsets (begin, end) of the top-level statements; what lies between them is blank lines and comments.

    `text` has `\\n` line ends. Clauses (`else:`), decorators and indented lines stay with their statement.
    """
    starts, solid = _starts(text)
    first = re.match(r"(?:[ \t\f]*(?:#[^\n]*)?\n)*", text)
    code_begins = first.end() if first else 0
    if text[code_begins:].strip() and (not starts or starts[0] > code_begins):
        # The text begins with an indented line: an error, but its own and nobody else's.
        starts.insert(0, code_begins)
    result = []
    for begin, following in zip(starts, [*starts[1:], len(text)], strict=False):
        end = _without_tail(text, begin, following, solid)
        if end > begin:
            result.append((begin, end))
    return result


def _starts(text: str) -> tuple[list[int], list[int]]:
    """Where statements begin, and where strings end (their last lines may look like comments)."""
    starts: list[int] = []
    strings: list[int] = []
    depth, decorated, continued = 0, False, -1
    for match in _SCAN.finditer(text):
        kind, begins = match.lastgroup, match.start()
        if kind == "start" and begins != continued:
            if depth == 0 or _RECOVERY.match(text, begins):
                depth = 0
                if not decorated and not (starts and _CLAUSE.match(text, begins)):
                    starts.append(begins)
                decorated = _DECORATOR.match(text, begins) is not None
        elif kind == "string":
            strings.append(match.end())
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif kind == "continued":
            continued = match.end()
    return starts, strings


def _without_tail(text: str, begin: int, end: int, strings: list[int]) -> int:
    """The end of the last line with code of text[begin:end]."""
    at = bisect.bisect_right(strings, end)
    code = strings[at - 1] if at else 0
    while end > begin:
        line = max(text.rfind("\n", begin, end) + 1, begin)
        stripped = text[line:end].strip()
        if (stripped and not stripped.startswith("#")) or line < code <= end:
            return end
        end = max(line - 1, begin)
    return end


def too_deep(text: str) -> bool:
    """Whether a parser that recurses could overflow its stack on this statement."""
    depths = re.finditer(r"^[ \t]*(?=\S)", text, re.MULTILINE) if len(text) > MAXIMUM_INDENT else ()
    if any(len(match.group()) > MAXIMUM_INDENT for match in depths) and _indent_levels(text) > MAXIMUM_INDENT:
        return True
    if text.count("elif") > MAXIMUM_BRANCHES and _branches(text) > MAXIMUM_BRANCHES:
        return True
    chains = [0]
    for match in _LINK.finditer(text):
        kind = match.lastgroup
        if kind == "open":
            chains.append(chains[-1] + 1)
        elif kind == "close" and len(chains) > 1:
            chains.pop()
            chains[-1] += 1
        elif kind == "link":
            chains[-1] += 1
        elif kind == "separator" or (kind == "newline" and len(chains) == 1):
            chains[-1] = len(chains)
        if len(chains) > MAXIMUM_NESTING or chains[-1] > MAXIMUM_CHAIN:
            return True
    return False


def _indent_levels(text: str) -> int:
    levels, deepest = [0], 0
    for match in re.finditer(r"^[ \t]*(?=[^\s#])", text, re.MULTILINE):
        width = len(match.group().expandtabs())
        while levels[-1] > width:
            levels.pop()
        if levels[-1] < width:
            levels.append(width)
        deepest = max(deepest, len(levels))
    return deepest


def _branches(text: str) -> int:
    """The most `elif` of one `if`, by their indents."""
    counts: dict[int, int] = {}
    most = 0
    for match in re.finditer(r"^([ \t]*)(?:(?P<branch>elif\b)|[^\s#])", text, re.MULTILINE):
        width = len(match[1].expandtabs())
        if match["branch"]:
            counts[width] = counts.get(width, 0) + 1
            most = max(most, counts[width])
        else:
            counts.pop(width, None)
    return most

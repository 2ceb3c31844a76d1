"""Positions of a program's tokens, in the order in which they stand.

Whitespace, comments, newlines and the text parts of f-strings are left out: what remains is what a syntax
tree is
made of, so a walk over the tree that takes one token per leaf knows every position without computing any.
"""

from __future__ import annotations

import re
from typing import NamedTuple

STRING_PREFIX = r"(?:[rR][bBfFtT]?|[bBfFtT][rR]?|[uU])?"
_STRING = (
    r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'[^'\\\r\n]*(?:\\(?:\r\n|.)[^'\\\r\n]*)*'"
    r'|"[^"\\\r\n]*(?:\\(?:\r\n|.)[^"\\\r\n]*)*"'
)
_INTERPOLATED = r"(?:[fFtT][rR]?|[rR][fFtT])(?:'''|\"\"\"|'|\")"
_NUMBER = (
    r"0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"
    r"|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?[jJ]?"
)
_OPERATOR = r"->|\*\*=?|//=?|>>=?|<<=?|<>|[-+*/%@&|^=<>!:]=?|[~;,.()\[\]{}]"

_TOKEN = re.compile(
    rf"(?P<skip>(?:[ \t\f\r\n\ufeff]|\\\r?\n|\\\r|#[^\r\n]*)+)|(?P<interpolated>{_INTERPOLATED})"
    rf"|(?P<token>{STRING_PREFIX}(?:{_STRING})|{_NUMBER}|[^\W\d]\w*|{_OPERATOR})",
    re.DOTALL,
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


class TokenError(ValueError):
    """A character that starts no token, or an f-string without end; `args[1]` is its offset."""


class Span(NamedTuple):
    """A token's place in `ast`'s convention (lines from 1, columns in UTF-8 bytes) and as offsets into the
    text."""

    line: int
    column: int
    end_line: int
    end_column: int
    start: int
    end: int


def spans(text: str) -> list[Span]:
    """The place of every token of a program; an f-string is its start, what stands in its braces, and its
    end."""
    offsets: list[tuple[int, int]] = []
    position = 0
    while position < len(text):
        position = _scan(text, position, offsets)
    return _located(text, offsets)


def line_starts(text: str) -> list[int]:
    """Offsets at which the lines begin, as Python counts lines (`\\n`, `\\r\\n`, `\\r`)."""
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def _scan(text: str, position: int, offsets: list[tuple[int, int]]) -> int:
    """One token from `position` on; what lies after it."""
    match = _TOKEN.match(text, position)
    if match is None:
        raise TokenError(f"unexpected character {text[position]!r}", position)
    kind, end = match.lastgroup, match.end()
    if kind == "token":
        offsets.append((position, end))
    elif kind == "interpolated":
        return _interpolated(text, position, end, offsets)
    return end


def _interpolated(text: str, start: int, position: int, offsets: list[tuple[int, int]]) -> int:
    offsets.append((start, position))
    prefix = text[start:position].rstrip("'\"")
    quote = text[start + len(prefix) : position]
    raw = "r" in prefix.lower()
    while not text.startswith(quote, position):
        position = _part(text, position, raw, offsets)
    offsets.append((position, position + len(quote)))
    return position + len(quote)


def _part(text: str, position: int, raw: bool, offsets: list[tuple[int, int]]) -> int:
    """One character, escape, or replacement field of an f-string."""
    if position >= len(text):
        raise TokenError("unterminated f-string", position)
    if text[position] == "\\":
        if not raw and text.startswith("\\N{", position):
            return max(text.find("}", position), position) + 1
        # A backslash before a brace escapes nothing: the brace still opens a field.
        return position + (1 if text[position + 1 : position + 2] in "{}" else 2)
    if text.startswith(("{{", "}}"), position):
        return position + 2
    return _field(text, position, raw, offsets) if text[position] == "{" else position + 1


def _field(text: str, position: int, raw: bool, offsets: list[tuple[int, int]]) -> int:
    offsets.append((position, position + 1))
    position += 1
    depth = 0
    while position < len(text):
        character = text[position]
        if depth == 0 and character in "}:!=" and text[position : position + 2] not in ("!=", "=="):
            offsets.append((position, position + 1))
            position += 1
            if character == "}":
                return position
            if character == ":":
                return _format_spec(text, position, raw, offsets)
            continue
        depth += (character in _OPENING) - (character in _CLOSING)
        position = _scan(text, position, offsets)
    raise TokenError("unterminated f-string", position)


def _format_spec(text: str, position: int, raw: bool, offsets: list[tuple[int, int]]) -> int:
    while not text.startswith("}", position):
        if text.startswith("{", position):
            position = _field(text, position, raw, offsets)
        else:
            position = _part(text, position, raw, offsets)
    offsets.append((position, position + 1))
    return position + 1


def _located(text: str, offsets: list[tuple[int, int]]) -> list[Span]:
    starts = [*line_starts(text), len(text) + 1]
    ascii_text = text.isascii()
    line, begin, following = 1, 0, starts[1]
    result = []
    for start, end in offsets:
        while start >= following:
            line += 1
            begin, following = following, starts[line]
        end_line, end_begin = line, begin
        while end > starts[end_line]:
            end_begin = starts[end_line]
            end_line += 1
        if ascii_text:
            result.append(Span(line, start - begin, end_line, end - end_begin, start, end))
        else:
            column, end_column = len(text[begin:start].encode()), len(text[end_begin:end].encode())
            result.append(Span(line, column, end_line, end_column, start, end))
    return result

"""Columns in the three encodings of the protocol, and lines as the protocol counts them."""

from __future__ import annotations

import re
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]
BOM = "\ufeff"

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def split(text: str) -> list[str]:
    """The lines of a text with their ends; always at least one, the last without an end.

    `str.splitlines` would also split at form feeds and other characters that end no line in the protocol.
    """
    lines = _LINES.findall(text)
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def without_end(line: str) -> str:
    """A line without its end."""
    return line.rstrip("\r\n")


def units(text: str, encoding: Encoding) -> int:
    """How many code units `text` takes."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(character > "\uffff" for character in text)


def index(line: str, character: int, encoding: Encoding) -> int:
    """The place in `line` of a column counted in code units; a column past the end is the end."""
    if encoding == "utf-32" or line.isascii():
        return min(character, len(line))
    at = 0
    for place, char in enumerate(line):
        if at >= character:
            return place
        at += units(char, encoding)
    return len(line)


def from_bytes(line: str, column: int, encoding: Encoding) -> int:
    """A column of `ast` (UTF-8 bytes) in code units."""
    if encoding == "utf-8" or line.isascii():
        return min(column, units(line, encoding))
    return units(line.encode()[:column].decode(errors="ignore"), encoding)


def to_bytes(line: str, character: int, encoding: Encoding) -> int:
    """A column in code units as `ast` counts it, in UTF-8 bytes."""
    return len(line[: index(line, character, encoding)].encode("utf-8", "surrogatepass"))

"""The values of string and number literals."""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(
    r"\\(?:(\r\n|\r|\n)|([\\'\"abfnrtv])|([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|N\{([^}]*)\})"
)
_BYTES_ESCAPE = re.compile(r"\\(?:(\r\n|\r|\n)|([\\'\"abfnrtv])|([0-7]{1,3})|x([\da-fA-F]{2}))")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def string_value(literal: str) -> str | bytes:
    """The value of one string literal with its prefix and quotes. Raises ValueError for an escape that names
    nothing.

    An unknown escape (`\\d`) stays as it is written, without Python's warning.
    """
    quote_at = min(i for i in (literal.find("'"), literal.find('"')) if i >= 0)
    prefix, body = literal[:quote_at].lower(), literal[quote_at:]
    width = 3 if len(body) >= 6 and body.startswith((body[0] * 3,)) else 1
    text = body[width:-width]
    if "b" in prefix:
        text = universal_newlines(text)
        text = text if "r" in prefix or "\\" not in text else _BYTES_ESCAPE.sub(_unescape, text)
        return text.encode("latin-1")
    return text_value(text, raw="r" in prefix)


def text_value(text: str, raw: bool) -> str:
    """What a string's inner text means: newlines made `\\n`, escapes resolved unless raw."""
    text = universal_newlines(text)
    return text if raw or "\\" not in text else _ESCAPE.sub(_unescape, text)


def universal_newlines(text: str) -> str:
    """Text with every line end written `\\n`, as Python reads a file."""
    return text if "\r" not in text else text.replace("\r\n", "\n").replace("\r", "\n")


def _unescape(match: re.Match[str]) -> str:
    groups = match.groups()
    if groups[0] is not None:
        return ""
    if groups[1] is not None:
        return _SIMPLE.get(groups[1], groups[1])
    if groups[2] is not None:
        code = int(groups[2], 8)
        return chr(code & 0xFF) if match.re is _BYTES_ESCAPE else chr(code)
    for digits in groups[3:6]:
        if digits is not None:
            return chr(int(digits, 16))
    return _named(groups[6])


def _named(name: str) -> str:
    try:
        return unicodedata.lookup(name)
    except KeyError:
        raise ValueError(f"unknown character name {name!r}") from None


def number_value(literal: str) -> int | float | complex:
    """The value of one number literal."""
    digits = literal.replace("_", "").lower()
    if digits.startswith(("0x", "0o", "0b")):
        return int(digits, 0)
    if digits.endswith("j"):
        return complex(0.0, float(digits[:-1]))
    return int(digits) if digits.isdigit() else float(digits)


def identifier(name: str) -> str:
    """A name as Python compares it (NFKC)."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)

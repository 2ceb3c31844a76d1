"""Amounts as people write and read them: three significant digits, fixed decimal units, unknown is `?`."""

from __future__ import annotations

import re

UNKNOWN = "?"
NO_VALUE = "–"

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB")
_COUNTS = ("", "K", "M", "G", "T")
_SIZE_UNITS: dict[str, int] = {"": 1, "b": 1} | {
    letter + suffix: base**power
    for power, letter in enumerate("kmgtp", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_TIME_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def size(amount: int | None) -> str:
    """Bytes, e.g. `90.9 MB` (1 MB is 1,000,000 bytes)."""
    return UNKNOWN if amount is None else _scaled(amount, _SIZES, " ")


def count(amount: int | None) -> str:
    """A number of elements, e.g. `22.7M`."""
    return UNKNOWN if amount is None else _scaled(amount, _COUNTS, "")


def percent(share: float | None) -> str:
    """A share of one, e.g. `0.593%`; what is under 0.001% says so."""
    if share is None:
        return UNKNOWN
    if share == 0:
        return "0%"
    if share * 100 < 0.001:
        return "<0.001%"
    return f"{three_digits(share * 100)}%"


def percent_range(low: float, high: float) -> str:
    """`0.593–0.712%`, or one number where both read the same."""
    first, last = percent(low), percent(high)
    return last if first == last else f"{first.removesuffix('%')}–{last}"


def three_digits(number: float) -> str:
    """Three significant digits without an exponent up to a million."""
    rounded = float(f"{number:.3g}")
    if abs(rounded) >= 1e6:
        return f"{rounded:.3g}"
    if abs(rounded) >= 100:
        return f"{rounded:.0f}"
    leading = int(f"{rounded:e}".partition("e")[2])
    return f"{rounded:.{max(0, 2 - leading)}f}"


def duration(seconds: float) -> str:
    """A time limit, e.g. `90 s`, `10 min`."""
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def parse_size(text: str) -> int:
    """Bytes in `8GB`, `512MiB`, `1000`. Raises ValueError."""
    number, unit = _number_and_unit(text, "a size like 8GB or 512MiB")
    if unit not in _SIZE_UNITS:
        raise ValueError(f"{text!r}: unknown unit; write a size like 8GB or 512MiB")
    return round(number * _SIZE_UNITS[unit])


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `5m`, `1h`, `90`. Raises ValueError."""
    number, unit = _number_and_unit(text, "a time like 90s or 5m")
    if unit not in _TIME_UNITS:
        raise ValueError(f"{text!r}: unknown unit; write a time like 90s or 5m")
    return number * _TIME_UNITS[unit]


def printable(text: str) -> str:
    """Names come from files that anyone made: control characters are shown, not sent to the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _scaled(amount: int, units: tuple[str, ...], gap: str) -> str:
    if amount < 1000:
        return f"{amount}{gap}{units[0]}".rstrip()
    value, power = float(amount), 0
    while float(f"{value:.3g}") >= 1000 and power < len(units) - 1:
        value, power = value / 1000, power + 1
    return f"{three_digits(value)}{gap}{units[power]}"


def _number_and_unit(text: str, wanted: str) -> tuple[float, str]:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not {wanted}")
    return float(match[1]), match[2].lower()

"""Sets of names written as one text, so that long tables can be read and compared."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of `text`, which white space separates."""
    return frozenset(text.split())

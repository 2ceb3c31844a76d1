"""Numeric formats, found by walking this folder: a file is one format, or one library's family of them."""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from functools import cache

from bitlens.schemes.base import Scheme

__all__ = ["DEFAULT_IDS", "Scheme", "UnknownScheme", "all_ids", "get"]

DEFAULT_IDS = ("quanto.qint8", "quanto.qint4", "bfloat16", "float16")
"""Measured where nothing else is asked for: the two common quantizers and the two common casts."""


class UnknownScheme(ValueError):
    """No scheme has this id; the message lists the nearest ones."""


@cache
def _table() -> dict[str, Scheme]:
    found: dict[str, Scheme] = {}
    for module in pkgutil.iter_modules(__path__, __name__ + "."):
        for scheme in getattr(importlib.import_module(module.name), "SCHEMES", ()):
            if scheme.id in found:
                raise ValueError(f"two schemes have the id {scheme.id}")
            found[scheme.id] = scheme
    return found


def all_ids() -> tuple[str, ...]:
    """Every known id: libraries first, then textbook formats, then casts."""
    last = {"textbook": 1, "torch": 2}
    return tuple(sorted(_table(), key=lambda id: (last.get(_table()[id].library, 0), id)))


def get(id: str) -> Scheme:
    """The scheme of this id; raises UnknownScheme."""
    scheme = _table().get(id)
    if scheme is None:
        near = get_close_matches(id, all_ids(), n=4, cutoff=0.4) or all_ids()
        raise UnknownScheme(f"there is no scheme {id!r}; near it: {', '.join(near)}")
    return scheme

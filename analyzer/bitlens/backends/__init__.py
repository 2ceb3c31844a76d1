"""Libraries, one per file: which modules each converts, what it skips and why, the code that asks for it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import ClassVar, Protocol

from bitlens.backends.facts import Decision, LayerFacts, TensorFacts
from bitlens.schemes.base import Scheme

__all__ = ["Backend", "Decision", "LayerFacts", "TensorFacts", "all_names", "get", "scheme_named"]


class Backend(Protocol):
    """One library's habits when it is called plainly on a whole model."""

    name: str
    """What `Scheme.library` says."""
    title: str
    distribution: str | None
    """The pip name, or None where torch alone is enough."""

    aliases: ClassVar[dict[str, str]]
    """Short names that people use, each with the scheme id that they mean."""

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """Which tensors of this layer the library converts, or why it leaves the layer alone."""
        ...

    def snippet(self, scheme: Scheme, model: str = "model") -> str | None:
        """Source text that asks for this scheme on the variable `model`; None where no library does it."""
        ...


@cache
def _table() -> dict[str, Backend]:
    modules = (importlib.import_module(m.name) for m in pkgutil.iter_modules(__path__, __name__ + "."))
    found = [module.BACKEND for module in modules if hasattr(module, "BACKEND")]
    return {backend.name: backend for backend in found}


def all_names() -> tuple[str, ...]:
    """The libraries known, sorted."""
    return tuple(sorted(_table()))


def scheme_named(name: str) -> str:
    """The scheme id that a library's short name stands for; other names as they are."""
    aliases = (backend.aliases.get(name) for backend in _table().values())
    return next(filter(None, aliases), name)


def get(name: str) -> Backend:
    """The backend of this name (`Scheme.library`); raises KeyError."""
    return _table()[name]

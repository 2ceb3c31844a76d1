"""A Python module: its name, its file, and the values of its global names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Namespace:
    """A module that is evaluated from its text, or (without file) one that the evaluator provides."""

    __slots__ = (
        "attributes",
        "fallback",
        "file",
        "is_package",
        "loaded",
        "name",
        "origins",
        "plumbing",
        "stars",
        "vars",
    )

    def __init__(self, name: str, file: str | None = None, variables: dict[str, Any] | None = None) -> None:
        self.name = name
        self.file = file
        self.vars: dict[str, Any] = {} if variables is None else variables
        self.is_package = False
        self.loaded = file is None
        self.plumbing = False
        """Whether its frames are skipped when the line that creates a layer is looked for."""
        self.attributes: dict[str, Any] = {
            "__name__": name,
            "__file__": file,
            "__doc__": None,
            "__package__": name,
        }
        self.stars: dict[str, Any] = {}
        self.origins: Mapping[str, Any] | None = None
        """Of a package that fills itself: where its members come from, once that was looked up."""
        self.fallback: Any = None
        """For a provided module: what gives a member that is not listed."""

    def __repr__(self) -> str:
        return f"<module {self.name}>"

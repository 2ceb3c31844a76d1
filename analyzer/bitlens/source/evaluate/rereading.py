"""The program's own files as they were read and compiled: its next root needs the same ones.

What their statements make is forgotten between two roots, since one may change what the other builds. What
they say is not: a closure knows neither the module that it runs in nor what it did before.
"""

from __future__ import annotations

from collections.abc import Callable

from bitlens.source.evaluate.compiler import Action
from bitlens.source.statements import SourceFile, Statement, plain_text


class Reading:
    """A file's statements and their closures."""

    def __init__(self, source: SourceFile, draft: bool) -> None:
        self.source = source
        self.draft = draft
        self.used = True
        """Whether the evaluation that runs, or ran last, asked for it."""
        self.actions: dict[int, list[Action]] = {}
        """By the identity of statements, which `source` keeps."""


class Readings:
    """The own files of the program that is evaluated and of the one before, by name."""

    def __init__(self) -> None:
        self.files: dict[str, Reading] = {}

    def begin(self) -> None:
        """Another evaluation begins: keep what the last one used."""
        self.files = {name: one for name, one in self.files.items() if one.used}
        for one in self.files.values():
            one.used = False

    def source(self, name: str, text: str, draft: bool, parse: Callable[[], SourceFile]) -> SourceFile:
        """The file's statements, parsed unless it was read with this text before."""
        known = self.files.get(name)
        if known is None or known.draft is not draft or known.source.text != plain_text(text):
            known = self.files[name] = Reading(parse(), draft)
        known.used = True
        return known.source

    def compiled(self, name: str | None, statement: Statement) -> list[Action]:
        """The closures of a statement's nodes, as far as they were made; to be added to."""
        known = self.files.get(name) if name is not None else None
        return [] if known is None else known.actions.setdefault(id(statement), [])

"""The files of the user's own project that a file imports, read as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bitlens.source.statements import Statement, parse

_LARGEST = 2_000_000
_LEVELS = 4
_INSTALLED = frozenset(("site-packages", "dist-packages"))
_DEFINITION = re.compile(r"\A(?:@[^\n]*\n(?:[ \t)][^\n]*\n)*)*(?:class|(?:async[ \t]+)?def)[ \t]+(\w+)")
_NAMES = re.compile(r"(?:import|from|try|if)\b|\w+ *= *[\w.]+ *(?:#.*)?$")


def locate(dotted: str, importer: Path) -> Path | None:
    """The file of module `dotted` (leading dots for a relative import) as seen from `importer`; None if not
    local.

    Absolute names are looked for beside the importer and in a few folders above it, as when the program is
    started from the project's root.
    """
    level = len(dotted) - len(dotted.lstrip("."))
    parts = [part for part in dotted[level:].split(".") if part]
    if level:
        folder = importer.parent
        for _ in range(level - 1):
            folder = folder.parent
        return _module_file(folder, parts)
    for folder in [importer.parent, *importer.parents[1:_LEVELS]]:
        found = _module_file(folder, parts)
        if found is not None:
            return found
    return None


def _module_file(folder: Path, parts: list[str]) -> Path | None:
    base = folder.joinpath(*parts)
    candidates = (
        [base / "__init__.py"] if not parts else [base.with_name(base.name + ".py"), base / "__init__.py"]
    )
    return next((path for path in candidates if path.is_file()), None)


class Outline:
    """What a file defines, each definition lowered when it is asked for: most of an imported file never
    is."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.imports: list[ast.stmt] = []
        self._definitions: dict[str, Statement] = {}
        for statement in statements:
            found = _DEFINITION.search(statement.text)
            if found is not None:
                self._definitions.setdefault(found[1], statement)
            elif _NAMES.match(statement.text):
                self.imports += statement.nodes

    def definition(self, name: str) -> ast.stmt | None:
        """The class or function of that name at the top of the file."""
        statement = self._definitions.get(name)
        return None if statement is None else statement.node

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)


def is_installed(path: Path) -> bool:
    """Whether a file belongs to an installed package."""
    return not _INSTALLED.isdisjoint(path.parts)


def read_outline(path: Path) -> Outline:
    """What a local file defines; nothing where it cannot be read."""
    try:
        if path.stat().st_size > _LARGEST:
            return Outline(())
        text = path.read_text(encoding="utf-8-sig")
        return Outline(parse(text, library=is_installed(path)).statements)
    except (OSError, UnicodeDecodeError):
        return Outline(())

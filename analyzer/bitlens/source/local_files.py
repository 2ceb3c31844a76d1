"""The files of the user's own project that a file imports, read as text."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from bitlens.source.statements import parse

_LARGEST = 2_000_000
_LEVELS = 4


def locate(dotted: str, importer: Path) -> Path | None:
    """The file of module `dotted` (leading dots for a relative import) as seen from `importer`; None if not local.

    Absolute names are looked for beside the importer and in a few folders above it, as when the program is started
    from the project's root.
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
    candidates = [base / "__init__.py"] if not parts else [base.with_name(base.name + ".py"), base / "__init__.py"]
    return next((path for path in candidates if path.is_file()), None)


def read_nodes(path: Path) -> tuple[ast.stmt, ...]:
    """The top-level statements of a local file; none where it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return _nodes(path, status.st_mtime_ns) if status.st_size <= _LARGEST else ()


@lru_cache(maxsize=256)
def _nodes(path: Path, _changed: int) -> tuple[ast.stmt, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(node for statement in parse(text).statements for node in statement.nodes)

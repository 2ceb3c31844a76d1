"""Packages that only name their members and import them when they are asked for."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.statements import SourceFile
from bitlens.source.tree import walk

Origin = tuple[str, int, str]
"""A module as an import statement names it, the number of its leading dots, and the member's name there."""


def fills_itself(module: Namespace, source: SourceFile) -> bool:
    """Whether a package gets its members from its files on demand (`_LazyModule`, `lazy_loader`)."""
    return module.is_package and ("_LazyModule" in source.text or "lazy_loader" in source.text)


def stated_origins(source: SourceFile) -> Mapping[str, Origin]:
    """Where such a package tells type checkers that its members come from: `if TYPE_CHECKING: from …`."""
    origins: dict[str, Origin] = {}
    for statement in source.statements:
        for node in statement.nodes:
            if not isinstance(node, ast.If) or "TYPE_CHECKING" not in ast.unparse(node.test):
                continue
            for part in walk(node):
                if isinstance(part, ast.ImportFrom):
                    origin = part.module or "", part.level
                    for alias in part.names:
                        origins.setdefault(alias.asname or alias.name, (*origin, alias.name))
    return origins

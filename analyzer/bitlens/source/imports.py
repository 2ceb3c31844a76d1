"""What each name in a file means, as a dotted path, through any import form or alias."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bitlens.source.torch_names import TORCH_MODULES
from bitlens.source.tree import children


def chain(node: ast.expr) -> tuple[str, ...] | None:
    """The parts of `a.b.c`, or None where the expression is not a plain chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return (node.id, *reversed(parts))


def canonical(dotted: str) -> str:
    """One spelling for what torch offers under several: `torch.nn.modules.linear.Linear` is
    `torch.nn.Linear`."""
    prefix = "torch.nn.modules."
    if dotted.startswith(prefix):
        return "torch.nn." + dotted.rsplit(".", 1)[-1]
    if dotted.startswith("torch.nn.parameter."):
        return "torch.nn." + dotted.removeprefix("torch.nn.parameter.")
    return dotted


@dataclass
class Names:
    """The table of one file: local name to dotted path. Relative imports keep their leading dots."""

    bindings: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    """Modules that were imported with `*`, in order."""

    def dotted(self, node: ast.expr) -> str | None:
        """The dotted path that a name or an attribute chain means; None where its first name is not
        imported."""
        parts = chain(node)
        return None if parts is None else self.resolve(parts)

    def resolve(self, parts: tuple[str, ...]) -> str | None:
        """As `dotted`, of the parts of a chain."""
        head = self.bindings.get(parts[0]) or self._from_star(parts[0])
        return None if head is None else canonical(".".join((head, *parts[1:])))

    def _from_star(self, name: str) -> str | None:
        if "torch.nn" in self.stars and name in TORCH_MODULES:
            return f"torch.nn.{name}"
        return None

    def add(self, node: ast.Import | ast.ImportFrom) -> None:
        """Enter one import statement. The first meaning of a name stays: in try/except it is the wanted
        one."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                self.bindings.setdefault(alias.asname or root, alias.name if alias.asname else root)
            return
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                joined = module + alias.name if module.endswith(".") else f"{module}.{alias.name}"
                self.bindings.setdefault(alias.asname or alias.name, joined)


def _imports(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements at any depth, those of the file's own level before those inside functions."""
    nested: list[ast.AST] = []
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            nested.append(node)
        elif isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _imports(children(node))
    for outer in nested:
        yield from _imports(children(outer))


def _aliases(nodes: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """`Norm = nn.LayerNorm` and the like at the top of a file."""
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def names_of(nodes: Iterable[ast.stmt]) -> Names:
    """The table of a file, from its top-level statements."""
    nodes = list(nodes)
    names = Names()
    for node in _imports(nodes):
        names.add(node)
    for name, value in _aliases(nodes):
        meaning = names.dotted(value)
        if meaning is not None:
            names.bindings.setdefault(name, meaning)
    return names

"""Which names a piece of syntax reads, binds and stores into."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bitlens.source.tree import children, once

Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Effects:
    """What a statement (or the header of a compound one) does with the names around it.

    Inside a method, the attribute `self.x` counts as a name of its own, spelled `self.x`.
    """

    reads: set[str] = field(default_factory=set)
    """Read when the statement runs."""
    deferred: set[str] = field(default_factory=set)
    """Read later, by the body of a function that the statement defines."""
    binds: set[str] = field(default_factory=set)
    stores: set[str] = field(default_factory=set)
    """Names whose object gets an attribute, item or deletion."""
    calls: list[ast.Call] = field(default_factory=list)
    """Calls that run with the statement, outermost first."""
    attributes: set[str] = field(default_factory=set)
    """Every attribute name and string that stands in it, also in nested bodies."""


def root(node: ast.expr) -> ast.Name | None:
    """The name on which a chain of attributes, items and calls stands: `a` of `a.b[0].c().d`."""
    while True:
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return node if isinstance(node, ast.Name) else None


def root_variable(node: ast.expr, owner: str | None = None) -> str | None:
    """As `root`, with `self.x` as a variable of its own where `owner` is the name of self."""
    inner = node
    previous: ast.expr | None = None
    while True:
        if isinstance(inner, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
            previous, inner = inner, inner.value
        elif isinstance(inner, ast.Call):
            previous, inner = inner, inner.func
        elif isinstance(inner, ast.Name):
            if owner is not None and inner.id == owner and isinstance(previous, ast.Attribute):
                return f"{owner}.{previous.attr}"
            return inner.id
        else:
            return None


def bound_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that statements bind in their own scope; bodies of functions, classes and comprehensions left
    out."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, Definition):
            yield node.name
        elif not isinstance(node, _OWN_SCOPE):
            if isinstance(node, _BINDING):
                yield from _binds_itself(node)
            pending += children(node)


_OWN_SCOPE = (ast.Lambda, *COMPREHENSIONS, ast.Constant)
_BINDING = (
    ast.Name,
    ast.Import,
    ast.ImportFrom,
    ast.ExceptHandler,
    ast.MatchAs,
    ast.MatchStar,
    ast.MatchMapping,
)


def _binds_itself(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def parameters(arguments: ast.arguments) -> list[str]:
    """Names of all parameters, starred ones too."""
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [argument.arg for argument in (*plain, *starred)]


class _Reader(ast.NodeVisitor):
    """Collects Effects. `hidden` holds the names that belong to inner scopes."""

    def __init__(self, owner: str | None) -> None:
        self.effects = Effects()
        self.owner = owner
        self.hidden: list[set[str]] = []
        self.depth = 0

    def read(self, name: str) -> None:
        if not any(name in scope for scope in self.hidden):
            (self.effects.deferred if self.depth else self.effects.reads).add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read(node.id)
        elif self.depth == 0 and not self.hidden:
            self.effects.binds.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.effects.attributes.add(node.attr)
        own = self.owner is not None and isinstance(node.value, ast.Name) and node.value.id == self.owner
        if not own:
            self._store(node)
            self.visit(node.value)
        elif isinstance(node.ctx, ast.Load):
            self.read(f"{self.owner}.{node.attr}")
        else:
            self.effects.binds.add(f"{self.owner}.{node.attr}")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._store(node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.effects.attributes.add(node.value)

    def _store(self, node: ast.Attribute | ast.Subscript) -> None:
        variable = root_variable(node.value, self.owner)
        if not isinstance(node.ctx, ast.Load) and variable is not None and self.depth == 0:
            self.effects.stores.add(variable)

    def visit_Call(self, node: ast.Call) -> None:
        if self.depth == 0:
            self.effects.calls.append(node)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name):
            self.read(node.target.id)
        elif isinstance(node.target, ast.Attribute):
            variable = root_variable(node.target, self.owner)
            if variable is not None:
                self.read(variable)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        if self.depth == 0:
            self.effects.binds.update(_binds_itself(node))

    visit_ImportFrom = visit_Import  # noqa: N815 (the visitor's name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if self.depth == 0:
            self.effects.binds.update(_binds_itself(node))
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, (ast.MatchAs, ast.MatchStar, ast.MatchMapping)) and self.depth == 0:
            self.effects.binds.update(_binds_itself(node))
        super().generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if self.depth == 0 and not self.hidden:
            self.effects.binds.add(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)
        self.visit(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        inner = {*parameters(node.args), *bound_names(node.body)} - _declared_outside(node.body)
        self._inside(inner, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 (the visitor's name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        self._inside(set(parameters(node.args)), [node.body])

    def _inside(self, inner: set[str], body: Iterable[ast.AST]) -> None:
        self.hidden.append(inner)
        self.depth += 1
        for child in body:
            self.visit(child)
        self.depth -= 1
        self.hidden.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if self.depth == 0 and not self.hidden:
            self.effects.binds.add(node.name)
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        own = set(bound_names(node.body))
        for child in node.body:
            if isinstance(child, Definition):  # methods do not see the names of the class
                self._shielded(set(), child)
            else:
                self._shielded(own, child)

    def _shielded(self, own: set[str], node: ast.stmt) -> None:
        """A statement of a class body: what it binds stays in the class."""
        inner = _Reader(None)
        inner.visit(node)
        found = inner.effects
        for name in (found.reads | found.stores) - own:
            self.read(name)
        self.depth += 1
        for name in found.deferred:
            self.read(name)
        self.depth -= 1
        self.effects.attributes |= found.attributes

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)
        self.hidden.append(set(bound_names(generator.target for generator in node.generators)))
        for position, generator in enumerate(node.generators):
            for part in (*([generator.iter] if position else []), *generator.ifs):
                self.visit(part)
        for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            self.visit(part)
        self.hidden.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815


def _declared_outside(body: Iterable[ast.AST]) -> set[str]:
    """Names that `global` and `nonlocal` statements give to outer scopes."""
    found: set[str] = set()
    pending = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(node.names)
        elif not isinstance(node, (*Definition, ast.expr)):
            pending += children(node)
    return found


def effects(nodes: Iterable[ast.AST], owner: str | None = None) -> Effects:
    """What `nodes` do, in the scope that they stand in; `owner` is the name of self inside a method."""
    nodes = list(nodes)
    if len(nodes) == 1 and isinstance(nodes[0], Definition):
        return _of_definition(nodes[0], owner)
    return _read(nodes, owner)


@once
def _of_definition(node: ast.AST, owner: str | None) -> Effects:
    return _read([node], owner)


def _read(nodes: Iterable[ast.AST], owner: str | None) -> Effects:
    reader = _Reader(owner)
    for node in nodes:
        reader.visit(node)
    return reader.effects

"""What slices of one program share: its scopes, looked at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from bitlens.source.knowledge import Function, Knowledge
from bitlens.source.models import Models
from bitlens.source.slicing.changes import Changes, FunctionChanges
from bitlens.source.slicing.effects import parameters
from bitlens.source.slicing.forbidden import saved_paths
from bitlens.source.slicing.scopes import Atom, Scope, scope_of


class Unsliceable(Exception):
    """Something needed may not run; `line` says where and the message why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(eq=False)
class View:
    """A scope with what is known about it."""

    scope: Scope
    touches: Changes
    variables: dict[str, str]
    """Names that hold models, to their class."""
    parent: View | None = None
    offset: int = 0
    class_node: ast.ClassDef | None = None

    @property
    def parameters(self) -> list[str]:
        """Names of the function's parameters; none for the file."""
        return [] if self.scope.node is None else parameters(self.scope.node.args)


@dataclass
class Analysis:
    """A program's scopes, looked at once and shared by all its slices."""

    knowledge: Knowledge
    body: list[tuple[ast.stmt, int]]
    functions: FunctionChanges = field(default_factory=FunctionChanges)
    _views: dict[ast.AST, View] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.models = Models(self.knowledge)
        scope = scope_of(self.body)
        self.saved = saved_paths((node for node, _ in self.body), self.knowledge)
        self.module = self._view(scope, [node for node, _ in self.body], None, 0)

    def _view(self, scope: Scope, body: list[ast.stmt], parent: View | None, offset: int) -> View:
        variables = self.models.variables(body, {})
        return View(
            scope, Changes(scope, self.knowledge, variables, self.functions), variables, parent, offset
        )

    def view(
        self, function: Function, offset: int, parent: View, class_node: ast.ClassDef | None = None
    ) -> View:
        """The scope of a function's body."""
        if function not in self._views:
            names = parameters(function.args)
            owner = names[0] if class_node is not None and names else None
            scope = scope_of([(node, offset) for node in function.body], function, owner)
            view = self._view(scope, function.body, parent, offset)
            view.class_node = class_node
            self._views[function] = view
        return self._views[function]

    def defined_in(self, atom: Atom) -> Iterator[tuple[Function, ast.ClassDef | None]]:
        """The functions of a definition atom: itself, or the methods of a class."""
        if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield atom.node, None
        elif isinstance(atom.node, ast.ClassDef):
            for child in atom.node.body:
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield child, atom.node


@dataclass
class Kept:
    """What a slice holds: atoms, in all scopes, and how some of them are changed."""

    atoms: set[Atom] = field(default_factory=set)
    neutral: set[Atom] = field(default_factory=set)
    """Headers of loops and contexts that become `if True`."""
    masked: set[Function] = field(default_factory=set)
    """Functions of which only the kept atoms stay."""
    emptied: set[Function] = field(default_factory=set)
    """Methods that nothing calls: their bodies become `pass`."""
    arguments: list[tuple[View, Atom]] = field(default_factory=list)
    """Declarations of command-line arguments that wait until it is known which are used."""

    def copy(self) -> Kept:
        """An independent copy, to come back to."""
        return Kept(
            set(self.atoms), set(self.neutral), set(self.masked), set(self.emptied), list(self.arguments)
        )

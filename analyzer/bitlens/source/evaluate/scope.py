"""Which names a function or class binds, and the frames in which they live."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bitlens.source.tree import walk

if TYPE_CHECKING:
    from bitlens.source.evaluate.callables import Function
    from bitlens.source.evaluate.namespace import Namespace


class Frame:
    """One activation: its variables, the frame that encloses it in the text, and the line being evaluated."""

    __slots__ = ("function", "is_class", "line", "module", "result", "up", "vars", "yields")

    def __init__(
        self,
        variables: dict[str, Any],
        module: Namespace,
        up: Frame | None = None,
        function: Function | None = None,
    ) -> None:
        self.vars = variables
        self.module = module
        self.up = up
        self.function = function
        self.line = 0
        self.result: Any = None
        self.is_class = False
        self.yields: list[Any] | None = None


class Scope:
    """The names bound in one function, lambda, comprehension or class body. `locals` is None at module
    level."""

    __slots__ = ("globals", "has_yield", "is_class", "locals", "nonlocals")

    def __init__(self, is_class: bool = False, is_module: bool = False) -> None:
        self.is_class = is_class
        self.locals: set[str] | None = None if is_module else set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.has_yield = False


def function_scope(arguments: ast.arguments, body: Iterable[ast.AST]) -> Scope:
    """The scope of a function: parameters and what its body binds."""
    scope = Scope()
    assert scope.locals is not None
    scope.locals |= {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    scope.locals |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    for node in body:
        _collect(node, scope)
    scope.locals -= scope.globals | scope.nonlocals
    return scope


def class_scope(body: Iterable[ast.stmt]) -> Scope:
    """The scope of a class body."""
    scope = Scope(is_class=True)
    for node in body:
        _collect(node, scope)
    assert scope.locals is not None
    scope.locals -= scope.globals | scope.nonlocals
    return scope


def comprehension_scope(generators: list[ast.comprehension]) -> Scope:
    """The scope of a comprehension: the names of its targets."""
    scope = Scope()
    for generator in generators:
        _collect(generator.target, scope)
    return scope


def _collect(root: ast.AST, scope: Scope) -> None:
    """Add the names that `root` binds, without going into inner functions, classes and comprehensions."""
    assert scope.locals is not None
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        if type(node) in _BINDING and _binds(node, scope, scope.locals):
            continue
        for name in getattr(node, "_fields", ()):
            part = getattr(node, name, None)
            if type(part) is list:
                pending.extend(part)
            elif isinstance(part, ast.AST):
                pending.append(part)


def _binds(node: Any, scope: Scope, names: set[str]) -> bool:
    """Add the names that this node itself binds; whether that is all there is to it."""
    if isinstance(node, ast.Name):
        if type(node.ctx) is not ast.Load:
            names.add(node.id)
        return True
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.add(node.name)
        return True
    if isinstance(node, ast.Lambda | ast.Constant):
        return True
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        # A walrus inside binds in the function around.
        names.update(n.target.id for n in walk(node) if isinstance(n, ast.NamedExpr))
        return True
    if isinstance(node, ast.Import | ast.ImportFrom):
        names.update((a.asname or a.name.partition(".")[0]) for a in node.names)
        return True
    if isinstance(node, ast.Global):
        scope.globals.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        scope.nonlocals.update(node.names)
    elif isinstance(node, ast.Yield | ast.YieldFrom):
        scope.has_yield = True
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        names.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        names.add(node.rest)
    return False


_BINDING = frozenset(
    [
        ast.Name,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Lambda,
        ast.Constant,
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
        ast.Import,
        ast.ImportFrom,
        ast.Global,
        ast.Nonlocal,
        ast.Yield,
        ast.YieldFrom,
        ast.ExceptHandler,
        ast.MatchAs,
        ast.MatchStar,
        ast.MatchMapping,
    ]
)

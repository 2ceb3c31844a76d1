"""A program as rules and actions read it: scopes, their statements in order, and where each node stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from bitlens.analysis import Analysis
from bitlens.editing.offers import Span
from bitlens.source.imports import chain
from bitlens.source.knowledge import Function, Knowledge
from bitlens.source.library_models import ModelUse
from bitlens.source.models import Models
from bitlens.source.slicing.effects import parameters
from bitlens.source.slicing.scopes import Atom, Scope, branches, scope_of

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Region:
    """The file's own level, or the body of one function or method. What it holds is read when asked for."""

    def __init__(
        self,
        code: Code,
        body: list[tuple[ast.stmt, int]],
        name: str = "",
        node: Function | None = None,
        class_name: str | None = None,
        parent: Region | None = None,
    ) -> None:
        self.body = body
        """Its statements with the offsets of their lines."""
        self.name = name
        """Qualified, e.g. `Net.__init__`; empty for the file's own level."""
        self.class_name = class_name
        """The class whose method it is."""
        self.parent = parent
        self._code = code
        self._node = node

    @cached_property
    def scope(self) -> Scope:
        """Its statements as atoms."""
        arguments = self.parameters
        owner = arguments[0] if self.class_name is not None and arguments else None
        return scope_of(self.body, self._node, owner)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Names that hold models, to their classes."""
        outer = self.parent.variables if self.parent is not None else {}
        known = {key: value for key, value in outer.items() if key not in self.parameters}
        return self._code.models.variables([node for node, _ in self.body], known)

    @cached_property
    def bound(self) -> tuple[Bound, ...]:
        """The statements that give a model to a variable."""
        return tuple(
            Bound(self, atom, target, value, use)
            for atom in self.atoms
            if isinstance(atom.node, (ast.Assign, ast.AnnAssign))
            for target, value, use in self._code.models.bound(atom.node, self.variables)
        )

    def touches(self, span: Span) -> bool:
        """Whether a place stands in it; the file's own level holds every place."""
        if self._node is None:
            return True
        first, offset = self._node.lineno, self.body[0][1]
        return first + offset <= span.end_line and span.line <= (self._node.end_lineno or first) + offset

    @property
    def atoms(self) -> list[Atom]:
        """Its statements and headers of blocks, in order."""
        return self.scope.atoms

    @property
    def parameters(self) -> list[str]:
        """Names that a caller binds."""
        return parameters(self._node.args) if self._node is not None else []

    def siblings(self, atom: Atom) -> list[Atom]:
        """The statements of the same block that follow."""
        return [a for a in self.atoms[atom.index + 1 :] if a.blocks == atom.blocks]

    def subtree(self, atom: Atom) -> list[Atom]:
        """The statement itself and those inside its blocks."""
        return [atom, *(a for a in self.atoms[atom.index + 1 :] if a.inside(atom))]

    def chain(self) -> Iterator[Region]:
        """This region and those around it, innermost first."""
        region: Region | None = self
        while region is not None:
            yield region
            region = region.parent


@dataclass(frozen=True, eq=False)
class Bound:
    """A statement that gives a model to a variable."""

    region: Region
    atom: Atom
    variable: str
    value: ast.expr
    use: ModelUse


class Code:
    """The reading of one program, made lazily and shared by all rules and actions."""

    def __init__(self, analysis: Analysis) -> None:
        self.program = analysis.program
        self.text = self.program.text
        self.memo: dict[object, list[Any]] = {}
        """What was worked out of a region already."""
        self._starts = [0, *(n + 1 for n, character in enumerate(self.text) if character == "\n")]

    @cached_property
    def _body(self) -> list[tuple[ast.stmt, int]]:
        return [(node, s.line - 1) for s in self.program.source.statements for node in s.nodes]

    @cached_property
    def knowledge(self) -> Knowledge:
        """What the file defines, and what its names mean."""
        return Knowledge([node for node, _ in self._body], self.program.path)

    @cached_property
    def models(self) -> Models:
        """Which expressions build models."""
        return Models(self.knowledge)

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The file's own level first, then every function, outer ones before inner ones."""
        top = Region(self, self._body)
        return (top, *self._inner(top))

    def _inner(self, outer: Region) -> Iterator[Region]:
        for node, offset in outer.body:
            for found in _definitions(node):
                yield from self._defined(found, offset, outer, outer.name, None)

    def _defined(
        self, node: ast.stmt, offset: int, outer: Region, prefix: str, class_name: str | None
    ) -> Iterator[Region]:
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                yield from self._defined(child, offset, outer, _joined(prefix, node.name), node.name)
        elif isinstance(node, _FUNCTIONS):
            body = [(child, offset) for child in node.body]
            region = Region(self, body, _joined(prefix, node.name), node, class_name, outer)
            yield region
            yield from self._inner(region)

    @cached_property
    def bound(self) -> tuple[Bound, ...]:
        """Every statement that gives a model to a variable."""
        return tuple(bound for region in self.regions for bound in region.bound)

    def calls(self, span: Span | None = None) -> Iterator[tuple[Region, Atom, ast.Call]]:
        """Every call of the program, or of the functions at a place; outer ones before inner ones."""
        for region in self.regions:
            if span is not None and not region.touches(span):
                continue
            for atom in region.atoms:
                if not isinstance(atom.node, (*_FUNCTIONS, ast.ClassDef)):
                    yield from ((region, atom, call) for call in atom.effects.calls)

    def meaning(self, node: ast.expr) -> str:
        """The dotted path that a name means, empty where it is unknown."""
        return self.knowledge.meaning(node) or ""

    def offset(self, line: int, column: int) -> int:
        """The offset of a place as `ast` names it: line from 1, column in UTF-8 bytes."""
        start = self._starts[min(line, len(self._starts)) - 1]
        piece = self.text[start : start + column]
        return start + (
            len(piece) if piece.isascii() else len(piece.encode()[:column].decode(errors="ignore"))
        )

    def start(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword, atom: Atom) -> int:
        """The offset at which a node of a statement begins."""
        return self.offset(node.lineno + atom.offset, node.col_offset)

    def end(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword, atom: Atom) -> int:
        """The offset at which it ends."""
        return self.offset((node.end_lineno or node.lineno) + atom.offset, node.end_col_offset or 0)

    def source(self, node: ast.expr | ast.stmt, atom: Atom) -> str:
        """The text of a node."""
        return self.text[self.start(node, atom) : self.end(node, atom)]

    def span(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword, atom: Atom) -> Span:
        """Where a node stands."""
        return self.span_of(self.start(node, atom), self.end(node, atom))

    def span_of(self, start: int, end: int) -> Span:
        """The place between two offsets."""
        return Span(*self._place(start), *self._place(end))

    def _place(self, offset: int) -> tuple[int, int]:
        line = self.text.count("\n", 0, offset) + 1
        return line, offset - self._starts[line - 1]

    def line_span(self, line: int) -> Span:
        """A line (from 1) without the blanks around its code."""
        text = self.line_text(line)
        indent = len(text) - len(text.lstrip())
        return Span(line, indent, line, max(indent, len(text.rstrip())))

    def line_text(self, line: int) -> str:
        """The text of a line, without its end."""
        start = self._starts[line - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]

    def line_start(self, line: int) -> int:
        """The offset at which a line (from 1) begins."""
        return self._starts[line - 1]

    @property
    def line_count(self) -> int:
        """Lines of the program; the text after the last line end counts, even if empty."""
        return len(self._starts)


def _definitions(node: ast.stmt) -> Iterator[ast.stmt]:
    """The functions and classes that a statement is or holds in its blocks."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        yield node
        return
    for _, body in branches(node):
        for child in body:
            yield from _definitions(child)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def chained(node: ast.expr | None) -> str | None:
    """`model` or `self.model.encoder` as text; None for any other expression."""
    parts = chain(node) if node is not None else None
    return ".".join(parts) if parts else None


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """What a call gives for a parameter, by keyword or position; None where it gives nothing."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        given = call.args[: position + 1]
        return None if any(isinstance(item, ast.Starred) for item in given) else given[position]
    return None


def is_of_transformers(code: Code, class_name: str) -> bool:
    """Whether a class is one of transformers, or one of this file stands directly on such a one."""
    node = code.knowledge.classes.get(class_name)
    bases = [code.meaning(base) for base in node.bases] if node is not None else []
    return any(name.startswith("transformers.") for name in (class_name, *bases))


_READ: WeakKeyDictionary[Analysis, Code] = WeakKeyDictionary()


def code_of(analysis: Analysis) -> Code:
    """The reading of an analysis' program, made once."""
    code = _READ.get(analysis)
    if code is None:
        code = _READ[analysis] = Code(analysis)
    return code

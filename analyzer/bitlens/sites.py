"""Where a program builds or defines models: what can be measured, by name and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitlens.problems import BitlensError, Problem
from bitlens.source.knowledge import Knowledge
from bitlens.source.program import Program
from bitlens.source.slice import Slice, slices


@dataclass(frozen=True, slots=True)
class Site:
    """A model expression, or a class of modules."""

    line: int
    """From 1: of the expression, or of the class statement."""
    name: str
    """What to ask for to have it measured."""
    kind: Literal["expression", "class"]


def sites_of(program: Program) -> tuple[tuple[Site, ...], tuple[Slice, ...], tuple[Problem, ...]]:
    """Every site of a program, the slices of its model expressions, and why there are none."""
    try:
        pieces = slices(program)
    except BitlensError as error:
        return _classes(program), (), (error.problem,)
    expressions = tuple(
        Site(piece.expression_line, piece.name, "expression")
        for piece in pieces
        if piece.expression_line is not None
    )
    return (*expressions, *_classes(program)), pieces, ()


def _classes(program: Program) -> tuple[Site, ...]:
    nodes = [(statement, node) for statement in program.source.statements for node in statement.nodes]
    knowledge = Knowledge((node for _, node in nodes), program.path)
    modules = knowledge.module_classes()
    return tuple(
        Site(node.lineno + statement.line - 1, node.name, "class")
        for statement, node in nodes
        if modules.get(getattr(node, "name", "")) is node
    )

"""A scope (the file, or the body of one function) as a list of atoms: simple statements and headers of
blocks."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bitlens.source.slicing.effects import Effects, effects

LOOPS = (ast.For, ast.AsyncFor, ast.While)
_TRY = (ast.Try, ast.TryStar) if hasattr(ast, "TryStar") else (ast.Try,)
_WITH = (ast.With, ast.AsyncWith)


@dataclass(eq=False)
class Atom:
    """A simple statement, a definition, or the header of a compound statement."""

    node: ast.stmt
    offset: int
    """Added to the node's line numbers gives lines of the file."""
    index: int
    """Position among the atoms of its scope, in the order of the text."""
    blocks: tuple[Block, ...]
    """The headers around it, outermost first."""
    effects: Effects

    @property
    def line(self) -> int:
        """The line of the file on which it starts, decorators left out."""
        return self.node.lineno + self.offset

    def inside(self, header: Atom) -> bool:
        """Whether it stands in the blocks of `header`."""
        return any(block.header is header for block in self.blocks)


@dataclass(frozen=True)
class Block:
    """One branch of a compound statement."""

    header: Atom
    branch: str


@dataclass
class Scope:
    """The atoms of a file or of one function body."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | None
    """None for the file itself."""
    owner: str | None = None
    """The name of self, in a method."""
    atoms: list[Atom] = field(default_factory=list)

    def reaching(self, name: str, index: int, blocks: tuple[Block, ...], touches: Touches) -> Iterator[Atom]:
        """The atoms that may give `name` the value which it has at a place of this scope, latest first."""
        killer: Atom | None = None
        for atom in reversed(self.atoms[:index]):
            if exclusive(atom.blocks, blocks) or not (name in atom.effects.binds or name in touches(atom)):
                continue
            yield atom
            if name in atom.effects.binds and _kills(atom, name) and dominates(atom, blocks):
                killer = atom
                break
        for block in blocks:  # in a loop, what stands below may have run in the turn before
            loop = block.header
            if isinstance(loop.node, LOOPS) and not (
                killer is not None and (killer is loop or killer.inside(loop))
            ):
                for atom in self.atoms[index:]:
                    if atom.inside(loop) and (name in atom.effects.binds or name in touches(atom)):
                        yield atom

    def binds(self, name: str) -> bool:
        """Whether any atom of this scope binds the name."""
        return any(name in atom.effects.binds for atom in self.atoms)


class Touches(Protocol):
    """Which names' objects an atom changes; the rules are in `changes`."""

    def __call__(self, atom: Atom) -> set[str]:
        """Names whose object the atom changes in place."""


def _kills(atom: Atom, name: str) -> bool:
    """Whether the atom surely gives the name a new value, with nothing of the old."""
    node = atom.node
    if isinstance(node, ast.Import):
        return not any(alias.asname is None and alias.name.startswith(name + ".") for alias in node.names)
    return not isinstance(node, (ast.AugAssign, ast.If, ast.While))


def _solid(blocks: Iterable[Block]) -> list[Block]:
    """Blocks that may be left out at run time; a `with` body and the main guard always run."""
    return [
        block
        for block in blocks
        if not isinstance(block.header.node, _WITH) and not is_main_guard(block.header.node)
    ]


def dominates(atom: Atom, blocks: tuple[Block, ...]) -> bool:
    """Whether the atom has always run where a place inside `blocks` is reached."""
    if any(block.header is atom for block in blocks):
        return True
    if isinstance(atom.node, LOOPS):
        return False
    mine, theirs = _solid(atom.blocks), _solid(blocks)
    return mine == theirs[: len(mine)]


def exclusive(first: tuple[Block, ...], second: tuple[Block, ...]) -> bool:
    """Whether two places stand in different branches of one `if` or `match`."""
    for one, other in zip(first, second, strict=False):
        if one.header is not other.header:
            return False
        if one.branch != other.branch:
            return isinstance(one.header.node, (ast.If, ast.Match))
    return False


def ends_loop(atom: Atom, loop: Atom) -> bool:
    """Whether the atom is a `break` or `continue` of this loop."""
    if not isinstance(atom.node, (ast.Break, ast.Continue)):
        return False
    around = [
        block for block in atom.blocks if isinstance(block.header.node, LOOPS) and block.branch == "body"
    ]
    return bool(around) and around[-1].header is loop


def is_main_guard(node: ast.AST) -> bool:
    """`if __name__ == "__main__":`, either way around."""
    if (
        not isinstance(node, ast.If)
        or not isinstance(node.test, ast.Compare)
        or len(node.test.comparators) != 1
    ):
        return False
    sides = [node.test.left, node.test.comparators[0]]
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    values = [side.value for side in sides if isinstance(side, ast.Constant)]
    return names == ["__name__"] and values == ["__main__"] and isinstance(node.test.ops[0], ast.Eq)


def branches(node: ast.stmt) -> list[tuple[str, list[ast.stmt]]]:
    """The blocks of a compound statement (no definition), by branch; none for a simple statement."""
    if isinstance(node, (ast.If, *LOOPS)):
        return [("body", node.body), ("orelse", node.orelse)]
    if isinstance(node, _WITH):
        return [("body", node.body)]
    if isinstance(node, ast.Match):
        return [(f"case {number}", case.body) for number, case in enumerate(node.cases)]
    if isinstance(node, _TRY):
        handlers = [(f"except {number}", handler.body) for number, handler in enumerate(node.handlers)]
        return [("body", node.body), *handlers, ("orelse", node.orelse), ("finalbody", node.finalbody)]
    return []


def _header(node: ast.stmt) -> list[ast.AST]:
    """The parts of a compound statement that stand outside its blocks."""
    if isinstance(node, (ast.If, ast.While)):
        return [] if is_main_guard(node) else [node.test]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter, node.target]
    if isinstance(node, _WITH):
        return list(node.items)
    if isinstance(node, ast.Match):
        return [
            node.subject,
            *(case.pattern for case in node.cases),
            *(case.guard for case in node.cases if case.guard),
        ]
    if isinstance(node, _TRY):
        return [handler.type for handler in node.handlers if handler.type is not None]
    return [node]


def scope_of(
    body: Sequence[tuple[ast.stmt, int]],
    node: ast.FunctionDef | ast.AsyncFunctionDef | None = None,
    owner: str | None = None,
) -> Scope:
    """The scope of statements that are given with the offsets of their lines."""
    scope = Scope(node, owner)
    for statement, offset in body:
        _add(scope, statement, offset, ())
    return scope


def _add(scope: Scope, node: ast.stmt, offset: int, blocks: tuple[Block, ...]) -> None:
    atom = Atom(node, offset, len(scope.atoms), blocks, effects(_header(node), scope.owner))
    scope.atoms.append(atom)
    for branch, body in branches(node):
        for child in body:
            _add(scope, child, offset, (*blocks, Block(atom, branch)))
    if isinstance(node, _TRY):
        atom.effects.binds |= {handler.name for handler in node.handlers if handler.name}

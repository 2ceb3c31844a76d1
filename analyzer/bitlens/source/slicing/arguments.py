"""Declarations of command-line arguments: under which name, whether required, and which of them code uses."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from bitlens.source.slicing.effects import Definition
from bitlens.source.slicing.scopes import Atom
from bitlens.source.tree import walk

ALL = "**"
"""Stands among used names for all of them: `vars(args)`."""


def declares_argument(atom: Atom) -> bool:
    """`parser.add_argument(…)`."""
    value = atom.node.value if isinstance(atom.node, ast.Expr) else None
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "add_argument"
    )


def _argument_call(atom: Atom) -> ast.Call:
    assert isinstance(atom.node, ast.Expr) and isinstance(atom.node.value, ast.Call)
    return atom.node.value


def destination(atom: Atom) -> str | None:
    """The attribute under which argparse stores the argument."""
    call = _argument_call(atom)
    for keyword in call.keywords:
        if keyword.arg == "dest" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    long = [flag for flag in flags if flag.startswith("--")] or flags
    return long[0].lstrip("-").replace("-", "_") if long else None


def is_required(atom: Atom) -> bool:
    """Whether an empty command line is refused because of it."""
    call = _argument_call(atom)
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if flags and flags[0].startswith("-"):
        required = options.get("required")
        return isinstance(required, ast.Constant) and bool(required.value)
    count = options.get("nargs")
    return not (isinstance(count, ast.Constant) and count.value in ("?", "*"))


def used_attributes(atoms: Iterable[Atom]) -> set[str]:
    """Attributes that atoms read, which may be command-line arguments; ALL where all are used at once."""
    used: set[str] = set()
    for atom in atoms:
        for part in _own_parts(atom):
            for node in walk(part):
                if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
                    used.add(node.attr)
                elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    used |= {ALL} if node.func.id == "vars" else _getattr_name(node)
    return used


def _own_parts(atom: Atom) -> list[ast.AST]:
    """The syntax of the atom itself, without its blocks and (for a definition) without its body."""
    if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [*atom.node.decorator_list, atom.node.args]
    if isinstance(atom.node, ast.ClassDef):
        return [child for child in atom.node.body if not isinstance(child, Definition)]
    if isinstance(atom.node, (ast.If, ast.While)):
        return [atom.node.test]
    if isinstance(atom.node, (ast.For, ast.AsyncFor)):
        return [atom.node.iter]
    if isinstance(atom.node, (ast.With, ast.AsyncWith)):
        return list(atom.node.items)
    if isinstance(atom.node, (ast.Try, ast.Match)):
        return []
    return [atom.node]


def _getattr_name(node: ast.Call) -> set[str]:
    if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
        name = node.args[1]
        return {name.value} if isinstance(name, ast.Constant) and isinstance(name.value, str) else {ALL}
    return set()

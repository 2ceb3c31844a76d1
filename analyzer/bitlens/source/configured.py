"""Which configuration the user wants for a class: `# bitlens: config=…` above it, or the project's table.

The value is an expression in the program's names, or the path, from the program's folder or one above it in
the project, of a JSON or YAML file or of a checkpoint with its `config.json`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bitlens.problems import BitlensError, Problem
from bitlens.source.program import Program

_COMMENT = re.compile(r"#\s*bitlens:\s*config\s*=\s*(?P<value>.+?)\s*$")
_FILE = re.compile(r"[^()\[\]{}]+\.(?:json|ya?ml)")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What stands for a class's `config` argument: a JSON or YAML file, or an expression of the program."""

    value: Path | str
    line: int | None = None
    """Of the comment that asks for it, from 1."""


def configurations(program: Program, table: Mapping[str, str]) -> dict[str, Configuration]:
    """The configuration of each class of a program that has one, by the class's name; comments win.

    Raises BitlensError (`bad-config`) for a file that is not there and for what is no expression.
    """
    found: dict[str, Configuration] = {}
    for name, lines in _classes(program):
        text, line = _comment(lines) or (table.get(name), None)
        if text:
            found[name] = Configuration(meaning(text, program, line), line)
    return found


def meaning(text: str, program: Program, line: int | None = None) -> Path | str:
    """A file beside the program or above it in its project, or an expression. Raises BitlensError."""
    text = text.strip()
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    if _FILE.fullmatch(bare):
        return _located(bare, program, line)
    if not bare.isidentifier() and (path := _found(bare, program)):
        return path
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = (
            f"the configuration {text!r} is neither an expression nor a .json or .yaml file or a checkpoint"
        )
        raise BitlensError(Problem("bad-config", message, program.file, line)) from error
    return text


def file_at(path: Path) -> Path | None:
    """The configuration that a path means: a file of data itself, or the one of a checkpoint's folder or
    file; None if there is none.
    """
    if _FILE.fullmatch(path.name) and path.is_file():
        return path
    beside = (path if path.is_dir() else path.parent) / "config.json"
    return beside if path.exists() and beside.is_file() else None


def _located(name: str, program: Program, line: int | None) -> Path:
    found = _found(name, program)
    if found is not None:
        return found
    message = f"there is no file {name} beside {program.path.name} or above it in its project"
    raise BitlensError(Problem("bad-config", message, program.file, line))


def _found(name: str, program: Program) -> Path | None:
    folder = program.path.absolute().parent
    for candidate in (folder, *folder.parents):
        found = file_at(candidate / name)
        if found is not None:
            return found
        if (candidate / "pyproject.toml").is_file() or (candidate / ".git").exists():
            break
    return None


def _classes(program: Program) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Classes at the file's own level with the comment and decorator lines above them, numbered from 1."""
    text = program.text.split("\n")
    for statement in program.source.statements:
        for node in statement.nodes:
            if isinstance(node, ast.ClassDef):
                first, last = statement.line, node.lineno + statement.line - 1
                while first > 1 and text[first - 2].lstrip().startswith("#"):
                    first -= 1
                yield node.name, list(enumerate(text[first - 1 : last - 1], first))


def _comment(lines: list[tuple[int, str]]) -> tuple[str, int] | None:
    """The last of these lines that asks for a configuration, with its number."""
    found = [(match["value"], number) for number, line in lines if (match := _COMMENT.search(line))]
    return found[-1] if found else None

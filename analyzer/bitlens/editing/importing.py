"""How a library's functions can be named at a place of a program, and the import that it takes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import libcst as cst

from bitlens.editing.code import Code, Region
from bitlens.editing.offers import TextEdit, smallest
from bitlens.source.slicing.scopes import Atom, Block, dominates


@dataclass(frozen=True, slots=True)
class Spelling:
    """How to write names at a place, and what must be edited first."""

    names: Mapping[str, str]
    edits: tuple[TextEdit, ...] = ()


@dataclass(frozen=True, eq=False)
class _Import:
    node: ast.Import | ast.ImportFrom
    atom: Atom


def spelled(
    code: Code, region: Region, atom: Atom, modules: Sequence[str], wanted: Iterable[str]
) -> Spelling | None:
    """How to write the `wanted` functions of a library at a statement. None where every way is taken.

    `modules` are the names of the library, the one to import first. Tried in order: names that are
    imported, a module that is imported, one more name in an import that is there, and a new import.
    """
    wanted = sorted(set(wanted))
    visible = list(_visible(code, region, atom))
    found = dict(_imported(visible, modules))
    if all(name in found for name in wanted):
        return Spelling({name: found[name] for name in wanted})
    module = _module(visible, modules)
    missing = [name for name in wanted if name not in found]
    free = not any(_taken(code, region, name) for name in missing)
    extendable = [entry for entry in visible if _is_from(entry.node, modules)] if free else []
    if extendable:
        edit = _extended(code, extendable[-1], missing)
        return Spelling({name: found.get(name, name) for name in wanted}, edit)
    if module is not None:
        return Spelling({name: found.get(name, f"{module}.{name}") for name in wanted})
    return _new(code, region, atom, modules[0], wanted, free)


def torch_name(code: Code, region: Region, atom: Atom, name: str) -> Spelling:
    """How to write `torch.<name>`: as it is imported, else with `import torch`."""
    visible = list(_visible(code, region, atom))
    found = dict(_imported(visible, ["torch"]))
    if name in found:
        return Spelling({name: found[name]})
    module = _module(visible, ["torch"])
    if module is not None:
        return Spelling({name: f"{module}.{name}"})
    if _is_assigned(code, "torch"):  # a stand-in that imports it when it is used
        return Spelling({name: f"torch.{name}"})
    return Spelling({name: f"torch.{name}"}, (_insertion(code, region, atom, "import torch"),))


def _visible(code: Code, region: Region, atom: Atom) -> Iterator[_Import]:
    """The imports whose names exist at a statement: earlier ones of its scope that have run by then, all of
    outer scopes that ever run.
    """
    for scope in region.chain():
        for other in scope.atoms:
            if isinstance(other.node, (ast.Import, ast.ImportFrom)) and (
                _has_run(other, atom) if scope is region else not _is_for_types(code, other)
            ):
                yield _Import(other.node, other)


def _has_run(other: Atom, atom: Atom) -> bool:
    """Whether a statement has run where a later one is reached; what is tried is taken to succeed."""
    return other.index < atom.index and dominates(replace(other, blocks=_left(other)), _left(atom))


def _left(atom: Atom) -> tuple[Block, ...]:
    """The blocks around a statement without what is tried."""
    return tuple(b for b in atom.blocks if b.branch != "body" or not isinstance(b.header.node, ast.Try))


def _is_for_types(code: Code, atom: Atom) -> bool:
    """Whether only type checkers read a statement."""
    return any(
        isinstance(block.header.node, ast.If)
        and block.branch == "body"
        and code.meaning(block.header.node.test) == "typing.TYPE_CHECKING"
        for block in atom.blocks
    )


def _imported(visible: Iterable[_Import], modules: Sequence[str]) -> Iterator[tuple[str, str]]:
    for entry in visible:
        if _is_from(entry.node, modules):
            yield from ((alias.name, alias.asname or alias.name) for alias in entry.node.names)


def _is_from(node: ast.Import | ast.ImportFrom, modules: Sequence[str]) -> bool:
    if not isinstance(node, ast.ImportFrom) or node.level or node.module not in modules:
        return False
    return all(alias.name != "*" for alias in node.names)


def _module(visible: Iterable[_Import], modules: Sequence[str]) -> str | None:
    """The name under which the module itself is imported."""
    for entry in visible:
        for alias in entry.node.names:
            if isinstance(entry.node, ast.ImportFrom):
                if f"{entry.node.module}.{alias.name}" in modules:
                    return alias.asname or alias.name
            elif alias.name in modules:
                return alias.asname or alias.name
    return None


def _is_assigned(code: Code, name: str) -> bool:
    """Whether the file's own level gives the name a value, and does not import it."""
    return any(
        name in atom.effects.binds and not isinstance(atom.node, (ast.Import, ast.ImportFrom))
        for atom in code.regions[0].atoms
    )


def _taken(code: Code, region: Region, name: str) -> bool:
    """Whether a name means something else where it would be used."""
    return any(
        name in scope.parameters or any(name in atom.effects.binds for atom in scope.atoms)
        for scope in region.chain()
    )


def _new(
    code: Code, region: Region, atom: Atom, module: str, wanted: Sequence[str], free: bool
) -> Spelling | None:
    if free:
        line = f"from {module} import {', '.join(wanted)}"
        return Spelling({name: name for name in wanted}, (_insertion(code, region, atom, line),))
    package, _, last = module.rpartition(".")
    if not package or _taken(code, region, last):
        return None
    edit = _insertion(code, region, atom, f"from {package} import {last}")
    return Spelling({name: f"{last}.{name}" for name in wanted}, (edit,))


def _extended(code: Code, entry: _Import, names: Sequence[str]) -> tuple[TextEdit, ...]:
    """More names in a `from … import …`, sorted in if the names that are there are sorted."""
    start, end = code.start(entry.node, entry.atom), code.end(entry.node, entry.atom)
    module = cst.parse_module(code.text[start:end])
    line = cst.ensure_type(module.body[0], cst.SimpleStatementLine)
    node = cst.ensure_type(line.body[0], cst.ImportFrom)
    aliases = [cst.ensure_type(alias, cst.ImportAlias) for alias in node.names]  # type: ignore[union-attr]
    for name in names:
        aliases = _with_name(aliases, name, node.lpar)
    new = module.with_changes(body=[line.with_changes(body=[node.with_changes(names=aliases)])])
    return smallest(code.text, start, end, new.code)


def _with_name(
    aliases: list[cst.ImportAlias], name: str, opening: cst.LeftParen | None
) -> list[cst.ImportAlias]:
    present = [alias.evaluated_name for alias in aliases]
    at = len(aliases)
    if present == sorted(present):
        at = next((n for n, other in enumerate(present) if other > name), at)
    between = cst.Comma(whitespace_after=_between(aliases, opening))
    if at < len(aliases):
        return [*aliases[:at], cst.ImportAlias(cst.Name(name), comma=between), *aliases[at:]]
    last = aliases[-1]
    return [
        *aliases[:-1],
        last.with_changes(comma=between),
        cst.ImportAlias(cst.Name(name), comma=last.comma),
    ]


def _between(
    aliases: list[cst.ImportAlias], opening: cst.LeftParen | None
) -> cst.BaseParenthesizableWhitespace:
    """What stands between two names: as between those that are there, without their comments."""
    commas = [alias.comma.whitespace_after for alias in aliases[:-1] if isinstance(alias.comma, cst.Comma)]
    space = commas[0] if commas else opening.whitespace_after if opening else cst.SimpleWhitespace(" ")
    if isinstance(space, cst.ParenthesizedWhitespace):
        blank = cst.TrailingWhitespace(whitespace=cst.SimpleWhitespace(""))
        return space.with_changes(first_line=blank, empty_lines=())
    return cst.SimpleWhitespace(" ")


def _insertion(code: Code, region: Region, atom: Atom, line: str) -> TextEdit:
    """A new import at the top level, with the imports that stand there; in a notebook, in the first cell that
    has any, or on top of the statement's own."""
    first, last = _cell(code, _first_import(code, atom) or atom)
    top = [a for a in code.regions[0].atoms if not a.blocks and first <= a.line <= min(last, atom.line)]
    imports = _leading_imports(top)
    if imports:
        after = _position(imports, line)
        if after is not None:
            end = code.text.find("\n", code.end(after.node, after))
            end = len(code.text) if end < 0 else end
            return TextEdit(end, end, "\n" + line)
        start = code.line_start(imports[0].line)
        return TextEdit(start, start, line + "\n")
    begin = _first_code(code, top, first)
    return TextEdit(begin, begin, line + "\n\n" if code.program.cells is None else line + "\n")


def _first_import(code: Code, atom: Atom) -> Atom | None:
    """The first import that stands at the top level and runs before a statement."""
    for other in code.regions[0].atoms:
        if isinstance(other.node, (ast.Import, ast.ImportFrom)) and not other.blocks:
            return other if other.line <= atom.line else None
    return None


def _cell(code: Code, atom: Atom) -> tuple[int, int]:
    """First and last line of the notebook cell in which a statement stands; of the file, for a file."""
    cell = code.program.cell(atom.line)
    if cell is None or code.program.cells is None:
        return 1, code.line_count
    first = atom.line - cell.line + 1
    last = first
    while (following := code.program.cell(last + 1)) is not None and following.cell == cell.cell:
        last += 1
    return first, last


def _leading_imports(top: list[Atom]) -> list[Atom]:
    """The imports above the first definition; of several groups, the one that imports torch, or the last."""
    groups: list[list[Atom]] = [[]]
    for atom in top:
        if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            break
        if isinstance(atom.node, (ast.Import, ast.ImportFrom)):
            last = groups[-1][-1] if groups[-1] else None
            if last is not None and atom.line - ((last.node.end_lineno or 0) + last.offset) > 1:
                groups.append([])
            groups[-1].append(atom)
    libraries = [group for group in groups if any(_root(atom.node) in _TOGETHER for atom in group)]
    return (libraries or groups)[-1 if not libraries else 0]


_TOGETHER = frozenset(["torch", "transformers", "numpy", "optimum", "diffusers", "timm", "torchvision"])


def _root(node: ast.stmt) -> str:
    if isinstance(node, ast.ImportFrom):
        return "" if node.level else (node.module or "").split(".")[0]
    return node.names[0].name.split(".")[0] if isinstance(node, ast.Import) else ""


def _key(node: ast.stmt) -> tuple[bool, str]:
    """isort's default order: plain imports first, then by module."""
    if isinstance(node, ast.ImportFrom):
        return True, node.module or ""
    return False, node.names[0].name if isinstance(node, ast.Import) else ""


def _position(imports: list[Atom], line: str) -> Atom | None:
    """The import after which a new one belongs, the last if they are not sorted; None before the first."""
    keys = [_key(atom.node) for atom in imports]
    if keys != sorted(keys):
        return imports[-1]
    new = _key(ast.parse(line).body[0])
    before = [
        atom
        for atom, key in zip(imports, keys, strict=True)
        if key <= new or _root(atom.node) == "__future__"
    ]
    return before[-1] if before else None


def _first_code(code: Code, top: list[Atom], first: int) -> int:
    """Where the first statement's line begins, after a docstring."""
    for atom in top:
        node = atom.node
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            continue
        line = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) + atom.offset
        return code.line_start(line)
    return code.line_start(first)

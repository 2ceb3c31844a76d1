"""Where a statement belongs, and how it is written there."""

from __future__ import annotations

import ast
import re

from bitlens.editing.code import Bound, Code, Region, chained
from bitlens.editing.offers import TextEdit
from bitlens.source.slicing.effects import root_variable
from bitlens.source.slicing.scopes import Atom, is_main_guard

_HARMLESS = frozenset(
    [
        "print",
        "len",
        "str",
        "repr",
        "type",
        "isinstance",
        "id",
        "sum",
        "any",
        "all",
        "next",
        "list",
        "dict",
        "min",
        "max",
        "getattr",
        "hasattr",
        "format",
        "display",
        "dir",
        "vars",
        "map",
        "filter",
        "sorted",
        "zip",
        "enumerate",
        "iter",
    ]
)
_READING = frozenset(
    [
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "modules",
        "named_modules",
        "children",
        "named_children",
        "state_dict",
        "num_parameters",
        "get_memory_footprint",
        "get_submodule",
        "get_parameter",
        "extra_repr",
        "items",
        "keys",
        "values",
        "numel",
        "element_size",
    ]
)
_COMPLETING = re.compile(
    r"^_?(load|set|init|reset|resize|tie|to|half|float|double|bfloat16|cuda|cpu|mps|eval|train|apply|requires_grad"
    r"|merge|add|register|enable|disable|gradient_checkpointing|post_init|fuse|freeze|unfreeze|copy|fill|xavier|kaiming"
    r"|normal|uniform|zeros|ones|constant)(?![a-z])|[a-z]_$"
)
"""First words of methods and functions that finish a model: they load, place, convert or switch it."""


def after(code: Code, atom: Atom, *lines: str) -> TextEdit:
    """New statements behind one, in its block: on lines of their own, or on its line where it shares one."""
    end = code.end(atom.node, atom)
    rest_of_line = code.text[end : _line_end(code, end)]
    first = atom.line
    before = code.text[code.line_start(first) : code.start(atom.node, atom)]
    if (before.strip() and not _is_block(atom)) or re.match(r"\s*;\s*[^\s#]", rest_of_line):
        return TextEdit(end, end, "".join(f"; {line}" for line in lines))
    indent = _indent(code, first)
    end = _line_end(code, end)
    # At the end of a line, editors would move the hints of that line behind the new ones.
    if end < len(code.text) and not _ends_cell(code, code.text.count("\n", 0, end) + 1):
        return TextEdit(end + 1, end + 1, "".join(f"{indent}{line}\n" for line in lines))
    return TextEdit(end, end, "".join(f"\n{indent}{line}" for line in lines))


def before(code: Code, atom: Atom, *lines: str) -> TextEdit:
    """New statements ahead of one, in its block."""
    start = code.start(atom.node, atom)
    line = code.line_start(atom.line)
    if code.text[line:start].strip():
        return TextEdit(start, start, "".join(f"{new}; " for new in lines))
    indent = code.text[line:start]
    return TextEdit(line, line, "".join(f"{indent}{new}\n" for new in lines))


def removed(code: Code, region: Region, atom: Atom) -> TextEdit:
    """A simple statement and its line go; where it shares a line or is all of a block, `pass` takes its
    place.
    """
    start, end = code.start(atom.node, atom), code.end(atom.node, atom)
    line, line_end = code.line_start(atom.line), _line_end(code, end)
    if code.text[line:start].strip() or code.text[end:line_end].strip() or _is_only(atom, region):
        return TextEdit(start, end, "pass")
    last = code.program.cell(atom.line) is not None and _ends_cell(
        code, code.text.count("\n", 0, line_end) + 1
    )
    return TextEdit(line, line_end if last else min(line_end + 1, len(code.text)), "")


def _ends_cell(code: Code, line: int) -> bool:
    here, following = code.program.cell(line), code.program.cell(line + 1)
    return here is not None and (following is None or following.cell != here.cell)


def _is_only(atom: Atom, region: Region) -> bool:
    """Whether the statement is all that its block holds."""
    return not any(other is not atom and other.blocks == atom.blocks for other in region.atoms)


def _is_block(atom: Atom) -> bool:
    return hasattr(atom.node, "body")


def _line_end(code: Code, offset: int) -> int:
    found = code.text.find("\n", offset)
    return len(code.text) if found < 0 else found


def _indent(code: Code, line: int) -> str:
    text = code.line_text(line)
    return text[: len(text) - len(text.lstrip())]


def complete(code: Code, bound: Bound) -> Atom:
    """The statement after which a model is complete: loaded, placed, switched, and not yet used."""
    region, place, level = bound.region, bound.atom, bound.atom
    while True:
        for sibling in region.siblings(level):
            kinds = {_kind(code, region, atom, bound.variable) for atom in region.subtree(sibling)}
            if "use" in kinds:
                return place
            if "completes" in kinds:
                place = sibling
        parent = level.blocks[-1].header if level.blocks else None
        if parent is None or not _goes_on(code, region, level, parent, bound.variable):
            return place
        place = level = parent


def _goes_on(code: Code, region: Region, inner: Atom, parent: Atom, model: str) -> bool:
    """Whether the model outlives the block in which it was made."""
    if not isinstance(parent.node, (ast.If, ast.With, ast.AsyncWith, ast.Try)) or is_main_guard(parent.node):
        return False
    mine = inner.blocks[-1]
    elsewhere = [a for a in region.subtree(parent) if a is not parent and mine not in a.blocks]
    if any(_binds(a, model) for a in elsewhere):
        return True
    later = [a for a in region.atoms[parent.index + 1 :] if not a.inside(parent)]
    return any(_mentions(region, a, model) for a in later)


def _binds(atom: Atom, model: str) -> bool:
    targets = getattr(atom.node, "targets", None) or [getattr(atom.node, "target", None)]
    return any(chained(target) == model for target in targets)


def _mentions(region: Region, atom: Atom, model: str) -> bool:
    names = atom.effects.reads | atom.effects.stores | atom.effects.deferred
    return _root(region, model) in names


def _root(region: Region, model: str) -> str:
    parts = model.split(".")
    return ".".join(parts[: 2 if parts[0] == region.scope.owner else 1])


def _kind(code: Code, region: Region, atom: Atom, model: str) -> str:
    """What a statement does with a model: `completes` it, `use`s it, or nothing that matters."""
    if not _mentions(region, atom, model):
        return "use" if _binds(atom, model) else ""
    if isinstance(
        atom.node, (ast.Return, ast.Raise, ast.Global, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    ):
        return "use"
    calls = [_call_kind(code, region, call, model) for call in atom.effects.calls]
    if "use" in calls:
        return "use"
    if _root(region, model) in atom.effects.stores or "completes" in calls:
        return "completes"
    if isinstance(atom.node, ast.Assign) and any(
        _is(region, part, model) for part in _values(atom.node.value)
    ):
        return "use"  # another name for the model, or a place in a container
    return ""


def _values(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return node.elts
    return [value for value in node.values if value] if isinstance(node, ast.Dict) else [node]


def _is(region: Region, node: ast.expr, model: str) -> bool:
    return chained(node) == model


def _call_kind(code: Code, region: Region, call: ast.Call, model: str) -> str:
    root = _root(region, model)
    func = call.func
    if chained(func) == model:
        return "use"
    if isinstance(func, ast.Attribute) and root_variable(func.value, region.scope.owner) == root:
        return "" if func.attr in _READING else "completes" if _COMPLETING.search(func.attr) else "use"
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not any(root_variable(value, region.scope.owner) == root for value in given):
        return ""
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name in _HARMLESS or "log" in name or "summary" in name or "size" in name or "count" in name:
        return ""
    return "completes" if _COMPLETING.search(name) else "use"

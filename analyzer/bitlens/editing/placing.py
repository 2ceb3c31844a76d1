"""Where a statement belongs, and how it is written there."""

from __future__ import annotations

import re

from bitlens.editing.code import Code, Region
from bitlens.editing.offers import TextEdit
from bitlens.source.slicing.scopes import Atom


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

"""The text of a slice: the user's lines where they stood, and nothing on the others."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from bitlens.source.slicing.effects import Definition
from bitlens.source.slicing.scopes import Atom, branches, is_main_guard
from bitlens.source.slicing.settings import grad_modes
from bitlens.source.slicing.views import Analysis, Kept
from bitlens.source.tree import walk


@dataclass(frozen=True, order=True)
class Edit:
    """Bytes of one line to replace; columns are UTF-8 bytes from 0. An insertion has equal columns."""

    line: int
    start: int
    end: int
    text: bytes


@dataclass
class Changes:
    """What is written into a slice beyond the user's own text."""

    edits: list[Edit] = field(default_factory=list)
    replaced: dict[Atom, ast.expr] = field(default_factory=dict)
    """Statements of which only one expression stays: `sys.exit(main())` becomes `main()`."""
    appended: list[str] = field(default_factory=list)
    """Lines after the end of the file."""


def edit_between(start: tuple[int, int], end: tuple[int, int], text: str, lines: list[bytes]) -> list[Edit]:
    """Edits that put `text` in place of what stands from `start` to `end` (line from 1, byte column)."""
    if start[0] == end[0]:
        return [Edit(start[0], start[1], end[1], text.encode())]
    edits = [Edit(start[0], start[1], len(lines[start[0] - 1]), text.encode())]
    edits += [Edit(line, 0, len(lines[line - 1]), b"") for line in range(start[0] + 1, end[0])]
    return [*edits, Edit(end[0], 0, end[1], b"")]


def span(node: ast.AST, offset: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last place of a node in the file; a decorated definition starts at its first `@`."""
    line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
    if isinstance(node, Definition) and node.decorator_list:
        line = min(line, node.decorator_list[0].lineno)
    return (line + offset, column), (node.end_lineno + offset, node.end_col_offset)  # type: ignore[attr-defined]


class Renderer:
    """Writes one slice."""

    def __init__(self, text: str, analysis: Analysis, kept: Kept, changes: Changes) -> None:
        self.lines = text.encode().split(b"\n")
        self.analysis = analysis
        self.kept = kept
        self.changes = changes
        self.edits: list[Edit] = list(changes.edits)
        self.atoms = {atom.node: atom for atom in kept.atoms}

    def render(self) -> str:
        """The program: as many lines as the file has, and the appended ones."""
        shown: set[int] = set()
        for node, offset in self.analysis.body:
            if node in self.atoms:
                start, end = span(node, offset)
                shown.update(range(start[0], end[0] + 1))
                self._statement(node, offset)
        for node, offset in self.analysis.body:
            start, end = span(node, offset)
            if node not in self.atoms and shown.intersection(range(start[0], end[0] + 1)):
                self.edits += edit_between(start, end, "pass", self.lines)
        result = [self._line(number) if number in shown else b"" for number in range(1, len(self.lines) + 1)]
        text = b"\n".join(line.rstrip() if not line.strip() else line for line in result).decode()
        return text.rstrip("\n") + "\n" + self._appended(text)

    def _appended(self, text: str) -> str:
        if not self.changes.appended:
            return ""
        blank = "\n" * (len(self.lines) - text.rstrip("\n").count("\n") - 1)
        return blank + "".join(line + "\n" for line in self.changes.appended)

    def _line(self, number: int) -> bytes:
        line = self.lines[number - 1]
        for edit in sorted({edit for edit in self.edits if edit.line == number}, reverse=True):
            line = line[: edit.start] + edit.text + line[edit.end :]
        return line

    def _statement(self, node: ast.stmt, offset: int) -> None:
        atom = self.atoms[node]
        if atom in self.changes.replaced:
            self._only(node, self.changes.replaced[atom], offset)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function(node, offset)
        elif isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self._function(child, offset)
        else:
            self._header(node, offset, atom)
            for _, body in branches(node):
                self._block(body, offset)
            self._calls(node, offset)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, offset: int) -> None:
        if node in self.kept.emptied:
            first, last = span(node.body[0], offset)[0], span(node.body[-1], offset)[1]
            self.edits += edit_between(first, last, "pass", self.lines)
            self._drop_comment(last)
        elif node in self.kept.masked:
            self._block(node.body, offset)

    def _block(self, body: list[ast.stmt], offset: int) -> None:
        """Blank what is not kept; a block that would be empty gets `pass`."""
        empty = not any(node in self.atoms for node in body)
        self._blank_comments(body, offset)
        for start, end in self._dropped(body, offset):
            filler = "pass" if empty or not self._alone(start, end) else ""
            empty = False
            self.edits += edit_between(start, end, filler, self.lines)
            self._drop_comment(end)
        for node in body:
            if node in self.atoms:
                self._statement(node, offset)

    def _blank_comments(self, body: list[ast.stmt], offset: int) -> None:
        """Comments between statements speak of what may be gone; those beside a kept statement stay."""
        previous = span(body[0], offset)[0][0] if body else 0
        while previous > 1 and self.lines[previous - 2].strip()[:1] in (b"", b"#"):
            previous -= 1
        for node in body:
            start, end = span(node, offset)
            for number in range(previous, start[0]):
                if self.lines[number - 1].strip().startswith(b"#"):
                    self.edits.append(Edit(number, 0, len(self.lines[number - 1]), b""))
            previous = end[0] + 1

    def _dropped(self, body: list[ast.stmt], offset: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Places of the statements that are not kept; neighbours on one line (`a(); b()`) as one place."""
        found: list[tuple[tuple[int, int], tuple[int, int]]] = []
        previous: ast.stmt | None = None
        for node in body:
            if node not in self.atoms:
                start, end = span(node, offset)
                if found and previous not in self.atoms and found[-1][1][0] == start[0]:
                    start = found.pop()[0]
                found.append((start, end))
            previous = node
        return found

    def _alone(self, start: tuple[int, int], end: tuple[int, int]) -> bool:
        before = self.lines[start[0] - 1][: start[1]].strip()
        after = self.lines[end[0] - 1][end[1] :].strip()
        return not before and (not after or after.startswith(b"#"))

    def _drop_comment(self, end: tuple[int, int]) -> None:
        line = self.lines[end[0] - 1]
        if line[end[1] :].strip().startswith(b"#"):
            self.edits.append(Edit(end[0], end[1], len(line), b""))

    def _header(self, node: ast.stmt, offset: int, atom: Atom) -> None:
        if is_main_guard(node) and isinstance(node, ast.If):
            self.edits += edit_between(*span(node.test, offset), "True", self.lines)
        elif atom in self.kept.neutral:
            start = span(node, offset)[0]
            self.edits += self._new_header(start, self._colon(node, offset), self._neutral(node))

    def _neutral(self, node: ast.stmt) -> str:
        """A header that only keeps the block; whether gradients are recorded decides what may be edited."""
        modes = grad_modes(node, self.analysis.knowledge)
        return f"with {', '.join(map(ast.unparse, modes))}" if modes else "if True"

    def _new_header(self, start: tuple[int, int], colon: tuple[int, int], text: str) -> list[Edit]:
        """Edits that put `text` before a colon, on its line: only brackets would join it to lines above."""
        if start[0] != colon[0]:
            text = self.lines[start[0] - 1][: start[1]].decode() + text
        edits = edit_between(start, colon, "", self.lines)
        return [*edits[:-1], Edit(edits[-1].line, edits[-1].start, edits[-1].end, text.encode())]

    def _colon(self, node: ast.stmt, offset: int) -> tuple[int, int]:
        """The place of the colon that ends a header."""
        last: ast.AST = node
        if isinstance(node, (ast.For, ast.AsyncFor)):
            last = node.iter
        elif isinstance(node, ast.While):
            last = node.test
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            last = node.items[-1].optional_vars or node.items[-1].context_expr
        line, column = span(last, offset)[1]
        while b":" not in self.lines[line - 1][column:]:
            line, column = line + 1, 0
        return line, self.lines[line - 1].index(b":", column)

    def _only(self, node: ast.stmt, part: ast.expr, offset: int) -> None:
        start, end = span(node, offset)
        first, last = span(part, offset)
        self.edits += edit_between(start, first, "", self.lines) if start != first else []
        self.edits += edit_between(last, end, "", self.lines) if last != end else []
        self._calls(part, offset)

    def _calls(self, node: ast.AST, offset: int) -> None:
        """Command lines are taken as empty: what bitlens itself was started with is not the program's."""
        if isinstance(node, ast.stmt) and branches(node):
            return
        for child in walk(node):
            if (
                isinstance(child, ast.Call)
                and isinstance(child.func, ast.Attribute)
                and not child.args
                and not child.keywords
            ):
                given = _COMMAND_LINES.get(child.func.attr)
                if given is not None:
                    line, column = span(child, offset)[1]
                    self.edits.append(Edit(line, column - 1, column - 1, given))


_COMMAND_LINES = {
    "parse_args": b"[]",
    "parse_known_args": b"[]",
    "parse_intermixed_args": b"[]",
    "parse_args_into_dataclasses": b"args=[]",
}

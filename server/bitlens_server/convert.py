"""The one file that turns our types into the protocol's and back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from bitlens.editing.offers import Span, TextEdit
from bitlens.features.hints import Hint
from bitlens.features.markdown import without_tables
from lsprotocol import types

from bitlens_server.client import Client
from bitlens_server.documents import Edit, Notebook, TextDocument
from bitlens_server.positions import BOM, Encoding, from_bytes, index, to_bytes, units
from bitlens_server.snapshot import Part, Snapshot


def edits(changes: Sequence[types.TextDocumentContentChangeEvent]) -> list[Edit]:
    """What a client typed."""
    return [edit(change) for change in changes]


def edit(change: types.TextDocumentContentChangeEvent) -> Edit:
    """One change."""
    if isinstance(change, types.TextDocumentContentChangePartial):
        start, end = change.range.start, change.range.end
        return Edit(change.text, (start.line, start.character), (end.line, end.character))
    return Edit(change.text)


def notebook(params: types.DidOpenNotebookDocumentParams) -> Notebook:
    """A notebook with the text of its code cells."""
    document = params.notebook_document
    cells = {item.uri: TextDocument(item.uri, item.text, item.version) for item in params.cell_text_documents}
    return Notebook(document.uri, document.version, [cell.document for cell in document.cells], cells)


def lines_of(range_: types.Range, part: Part) -> tuple[int, int]:
    """The first and last line (from 1, in the program) that a range of one document touches."""
    last = min(range_.end.line, part.count - 1)
    return part.first + range_.start.line + 1, part.first + last + 1


def place(snapshot: Snapshot, part: Part, position: types.Position, encoding: Encoding) -> tuple[int, int]:
    """A position as `ast` counts it: line of the program from 1, column in UTF-8 bytes."""
    line = part.first + min(position.line, part.count - 1)
    raw = snapshot.raw[line]
    column = to_bytes(raw, position.character, encoding)
    return line + 1, column - _bom_bytes(snapshot, line)


def position(snapshot: Snapshot, line: int, column: int, encoding: Encoding) -> types.Position:
    """Where a line (from 1) and column (UTF-8 bytes) of the program stand, in the document that holds the
    line.
    """
    line = max(0, min(line - 1, len(snapshot.raw) - 1))
    located = snapshot.locate(line)
    column = from_bytes(snapshot.raw[line], column + _bom_bytes(snapshot, line), encoding)
    return types.Position(located[1] if located else line, column)


def _bom_bytes(snapshot: Snapshot, line: int) -> int:
    return len(BOM.encode()) * _bom(snapshot, line)


def range_(
    snapshot: Snapshot, start: tuple[int, int], end: tuple[int, int], encoding: Encoding
) -> types.Range:
    """A range from (line, column) to (line, column), as `position` takes them."""
    return types.Range(position(snapshot, *start, encoding), position(snapshot, *end, encoding))


def line_range(snapshot: Snapshot, line: int, encoding: Encoding) -> types.Range:
    """The text of one line (from 1), without its indentation."""
    raw = snapshot.raw[line - 1]
    indent = len(raw) - len(raw.lstrip())
    at = snapshot.locate(line - 1)
    number = at[1] if at else line - 1
    return types.Range(types.Position(number, indent), types.Position(number, units(raw, encoding)))


def inlay_hint(snapshot: Snapshot, part: Part, hint: Hint, line: int, encoding: Encoding) -> dict[str, Any]:
    """A hint behind the last character of a line (from 1), as `types.InlayHint` would be written.

    As JSON at once: there are hundreds of them at every keystroke, and classes cost five times as much.
    """
    raw = snapshot.raw[line - 1].rstrip()
    return {
        "position": {"line": line - 1 - part.first, "character": units(raw, encoding)},
        "label": [{"value": piece.text} for piece in hint.pieces],
        "paddingLeft": True,
        "data": [part.uri, snapshot.ids[line - 1], [piece.topic for piece in hint.pieces]],
    }


def markup(text: str | None, client: Client) -> types.MarkupContent | None:
    """Markdown for clients that render it; others get the same characters as plain text."""
    if text is None:
        return None
    if not client.markdown:
        return types.MarkupContent(types.MarkupKind.PlainText, text)
    drawn = text if client.tables else without_tables(text)
    return types.MarkupContent(types.MarkupKind.Markdown, drawn)


_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "information": types.DiagnosticSeverity.Information,
    "hint": types.DiagnosticSeverity.Hint,
}


def severity(name: str) -> types.DiagnosticSeverity:
    """The protocol's severity of ours."""
    return _SEVERITIES[name]


def span(snapshot: Snapshot, part: Part, wanted: types.Range, encoding: Encoding) -> Span:
    """A range of one document as a part of the program."""
    ends = []
    for place in (wanted.start, wanted.end):
        line = part.first + min(place.line, part.count - 1)
        column = index(snapshot.raw[line], place.character, encoding) - _bom(snapshot, line)
        ends += [line + 1, max(0, column)]
    return Span(*ends)


def span_range(snapshot: Snapshot, wanted: Span, encoding: Encoding) -> types.Range:
    """A part of the program in the document that holds its first line."""
    return types.Range(
        _at(snapshot, wanted.line, wanted.column, encoding),
        _at(snapshot, wanted.end_line, wanted.end_column, encoding),
    )


def _at(snapshot: Snapshot, line: int, column: int, encoding: Encoding) -> types.Position:
    """The position of a character: line from 1, column in characters of the program."""
    line = min(line - 1, len(snapshot.raw) - 1)
    located = snapshot.locate(line)
    text = snapshot.raw[line][: column + _bom(snapshot, line)]
    return types.Position(located[1] if located else line, units(text, encoding))


def _bom(snapshot: Snapshot, line: int) -> int:
    return int(line == 0 and snapshot.raw[0].startswith(BOM))


def workspace_edit(
    snapshot: Snapshot, edits: Sequence[TextEdit], encoding: Encoding, client: Client
) -> types.WorkspaceEdit | None:
    """Edits of a program, each in the document that holds its line; None where there is nothing to do."""
    if not edits:
        return None
    starts = _line_starts(snapshot)
    by_document: dict[Part, list[types.TextEdit]] = {}
    for one in sorted(edits):
        part, edited = _place(snapshot, starts, one, encoding)
        by_document.setdefault(part, []).append(edited)
    if not client.versioned_edits:
        return types.WorkspaceEdit(changes={part.uri: found for part, found in by_document.items()})
    changes = [
        types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(part.uri, part.version), found)
        for part, found in by_document.items()
    ]
    return types.WorkspaceEdit(document_changes=changes)


def _line_starts(snapshot: Snapshot) -> list[int]:
    """Offsets in the program's text at which its lines start."""
    return list(accumulate((len(line) + 1 for line in snapshot.text.split("\n")), initial=0))


def _place(
    snapshot: Snapshot, starts: Sequence[int], one: TextEdit, encoding: Encoding
) -> tuple[Part, types.TextEdit]:
    """The document of an edit, and the edit there; none reaches into the next cell.

    Lines that are put before a cell's first line follow the cell above: they belong to what stands there,
    unless they import something.
    """
    first, last = (
        min(bisect_right(starts, offset), len(snapshot.raw)) - 1 for offset in (one.start, one.end)
    )
    part = _part(snapshot, first)
    text = one.new_text
    between = one.start == one.end == starts[part.first] and part is not snapshot.parts[0]
    if between and text.endswith("\n") and not text.startswith(("import ", "from ")):
        part, text = snapshot.parts[snapshot.parts.index(part) - 1], "\n" + text.removesuffix("\n")
        first = part.first + part.count - 1
        end = start = _at(snapshot, first + 1, len(snapshot.raw[first]), encoding)
    else:
        start = _at(snapshot, first + 1, one.start - starts[first], encoding)
        end = _end(snapshot, part, last, one.end - starts[last], encoding)
    return part, types.TextEdit(types.Range(start, end), text)


def _part(snapshot: Snapshot, line: int) -> Part:
    located = snapshot.locate(line)
    return located[0] if located else snapshot.parts[-1]


def _end(snapshot: Snapshot, part: Part, line: int, column: int, encoding: Encoding) -> types.Position:
    behind = part.first + part.count
    if line >= behind:
        return _at(snapshot, behind, len(snapshot.raw[behind - 1]), encoding)
    return _at(snapshot, line + 1, column, encoding)

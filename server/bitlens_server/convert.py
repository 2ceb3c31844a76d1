"""The one file that turns our types into the protocol's and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bitlens.edits import Kind, Offer, TextEdit
from bitlens.features.hints import Hint
from lsprotocol import types

from bitlens_server.client import Client
from bitlens_server.documents import Edit, Notebook, TextDocument
from bitlens_server.positions import BOM, Encoding, from_bytes, to_bytes, units
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
    return 3 if line == 0 and snapshot.raw[0].startswith(BOM) else 0


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


def inlay_hint(snapshot: Snapshot, part: Part, hint: Hint, encoding: Encoding) -> types.InlayHint:
    """A hint behind the last character of its line."""
    raw = snapshot.raw[hint.line - 1].rstrip()
    return types.InlayHint(
        position=types.Position(hint.line - 1 - part.first, units(raw, encoding)),
        label=[types.InlayHintLabelPart(piece.text) for piece in hint.pieces],
        padding_left=True,
        data=[part.uri, hint.line, [piece.topic for piece in hint.pieces]],
    )


def markup(text: str | None, client: Client) -> types.MarkupContent | None:
    """Markdown for clients that render it; others get the same characters as plain text."""
    if text is None:
        return None
    return types.MarkupContent(
        types.MarkupKind.Markdown if client.markdown else types.MarkupKind.PlainText, text
    )


_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "information": types.DiagnosticSeverity.Information,
    "hint": types.DiagnosticSeverity.Hint,
}


def severity(name: str) -> types.DiagnosticSeverity:
    """The protocol's severity of ours."""
    return _SEVERITIES[name]


def offer_data(uri: str, offer: Offer) -> dict[str, Any]:
    """What a code action carries, so that its edit can be worked out later."""
    arguments = [list(argument) for argument in offer.arguments]
    return {
        "uri": uri,
        "action": offer.action,
        "title": offer.title,
        "kind": offer.kind,
        "arguments": arguments,
    }


def offer(data: Mapping[str, Any]) -> Offer:
    """The offer that a code action carries."""
    arguments = tuple((str(name), value) for name, value in data.get("arguments", ()))
    kind: Kind = "quickfix" if data.get("kind") == "quickfix" else "refactor.rewrite"
    return Offer(str(data.get("action")), str(data.get("title")), kind, arguments)


def workspace_edit(
    snapshot: Snapshot, edits: Sequence[TextEdit], encoding: Encoding, client: Client
) -> types.WorkspaceEdit | None:
    """Edits of a program, each in the document that holds its line; None where there is nothing to do."""
    by_document: dict[Part, list[types.TextEdit]] = {}
    for one in edits:
        part, start, end = _range_in_part(snapshot, one, encoding)
        by_document.setdefault(part, []).append(types.TextEdit(types.Range(start, end), one.text))
    if not by_document:
        return None
    if not client.versioned_edits:
        return types.WorkspaceEdit(changes={part.uri: found for part, found in by_document.items()})
    changes = [
        types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(part.uri, part.version), found)
        for part, found in by_document.items()
    ]
    return types.WorkspaceEdit(document_changes=changes)


def _range_in_part(
    snapshot: Snapshot, one: TextEdit, encoding: Encoding
) -> tuple[Part, types.Position, types.Position]:
    """A range in the document that holds its first line; what would reach into the next cell ends with its
    own.
    """
    line = min(one.start[0] - 1, len(snapshot.raw) - 1)
    located = snapshot.locate(line)
    part = located[0] if located else snapshot.parts[-1]
    last = part.first + part.count
    if one.start[0] > len(snapshot.raw):  # behind the last line
        end = position(snapshot, len(snapshot.raw), len(snapshot.raw[-1].encode()), encoding)
        return part, end, end
    start = position(snapshot, *one.start, encoding)
    if one.end[0] > last:
        return part, start, position(snapshot, last, len(snapshot.raw[last - 1].encode()), encoding)
    return part, start, position(snapshot, *one.end, encoding)

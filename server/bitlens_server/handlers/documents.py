"""Files and notebooks: opened, edited, saved, closed."""

from __future__ import annotations

from lsprotocol import types

from bitlens_server import convert
from bitlens_server.documents import TextDocument
from bitlens_server.server import Server


def did_open(server: Server, params: types.DidOpenTextDocumentParams) -> None:
    """A file was opened."""
    document = params.text_document
    server.session.open(document.uri, document.text, document.version)
    _opened(server, document.uri)


def did_change(server: Server, params: types.DidChangeTextDocumentParams) -> None:
    """A file was edited."""
    document = params.text_document
    server.session.change(document.uri, convert.edits(params.content_changes), document.version)
    _edited(server, document.uri)


def did_save(server: Server, params: types.DidSaveTextDocumentParams) -> None:
    """A file was saved."""
    uri = params.text_document.uri
    server.session.save(uri)
    if uri.endswith("pyproject.toml"):
        server.settings.forget()
    _saved(server, uri)


def did_close(server: Server, params: types.DidCloseTextDocumentParams) -> None:
    """A file was closed."""
    server.session.close(params.text_document.uri)
    _closed(server, params.text_document.uri)


def notebook_did_open(server: Server, params: types.DidOpenNotebookDocumentParams) -> None:
    """A notebook was opened."""
    server.session.open_notebook(convert.notebook(params))
    _opened(server, params.notebook_document.uri)


def notebook_did_change(server: Server, params: types.DidChangeNotebookDocumentParams) -> None:
    """Cells were added, moved, removed or edited."""
    uri = params.notebook_document.uri
    notebook = server.session.notebook(uri)
    cells = params.change.cells
    if notebook is None or cells is None:
        return
    if cells.structure is not None:
        change = cells.structure.array
        notebook.splice(change.start, change.delete_count, [cell.document for cell in change.cells or []])
        for item in cells.structure.did_open or []:
            notebook.cells[item.uri] = TextDocument(item.uri, item.text, item.version)
        for closed in cells.structure.did_close or []:
            notebook.cells.pop(closed.uri, None)
    for content in cells.text_content or []:
        cell = notebook.cells.get(content.document.uri)
        if cell is not None:
            cell.apply(convert.edits(content.changes), content.document.version, server.session.encoding)
    server.session.notebook_changed(uri)
    _edited(server, uri)


def notebook_did_save(server: Server, params: types.DidSaveNotebookDocumentParams) -> None:
    """A notebook was saved."""
    _saved(server, params.notebook_document.uri)


def notebook_did_close(server: Server, params: types.DidCloseNotebookDocumentParams) -> None:
    """A notebook was closed."""
    server.session.close_notebook(params.notebook_document.uri)
    _closed(server, params.notebook_document.uri)


def _opened(server: Server, program: str) -> None:
    snapshot = server.session.snapshot(program)
    server.known.opened(program, snapshot)
    server.say_wrong_settings(snapshot.path)
    server.studies.now(program)
    _changed(server)
    if server.client.trusted and server.settings.of(snapshot.path).measure.when == "onOpen":
        server.measurements.start(program)


def _edited(server: Server, uri: str) -> None:
    program = server.session.program(uri)
    if program is not None:
        server.studies.soon(program)
        _changed(server)


def _saved(server: Server, uri: str) -> None:
    program = server.session.program(uri)
    if program is None or not server.client.trusted:
        return
    when = server.settings.of(server.session.snapshot(program).path).measure.when
    if when in ("onSave", "onOpen"):
        server.measurements.start(program)


def _closed(server: Server, program: str) -> None:
    server.measurements.cancel(program)
    server.studies.drop(program)
    server.known.closed(program)
    server.analyses.forget(program)
    if not server.client.pulls_diagnostics:
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(program, []))


def _changed(server: Server) -> None:
    """A client that does not pull gets its diagnostics by itself."""
    if not server.client.pulls_diagnostics:
        server.refresher.soon()

"""What is open in the editor, as one snapshot of each program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pygls.uris import to_fs_path

from bitlens_server.documents import Edit, Notebook, TextDocument
from bitlens_server.positions import Encoding
from bitlens_server.snapshot import Snapshot, of_file, of_notebook


class Session:
    """Documents and notebooks by URI. A program is a file or a whole notebook, named by that one's URI."""

    def __init__(self) -> None:
        self.encoding: Encoding = "utf-16"
        self._documents: dict[str, TextDocument] = {}
        self._notebooks: dict[str, Notebook] = {}
        self._owner: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self._counter = itertools.count(1)
        self._snapshots: dict[str, Snapshot] = {}

    def open(self, uri: str, text: str, version: int) -> None:
        """A file was opened."""
        self._documents[uri] = TextDocument(uri, text, version)
        self._changed(uri)

    def change(self, uri: str, edits: Sequence[Edit], version: int) -> None:
        """A file was edited; of one that is not open, nothing is known."""
        if uri in self._documents:
            self._documents[uri].apply(edits, version, self.encoding)
            self._changed(uri)

    def save(self, uri: str) -> None:
        """A file's text is now on disk."""
        if uri in self._documents:
            self._documents[uri].saved()
            self._snapshots.pop(uri, None)

    def close(self, uri: str) -> None:
        """A file was closed."""
        self._documents.pop(uri, None)
        self._snapshots.pop(uri, None)

    def open_notebook(self, notebook: Notebook) -> None:
        """A notebook was opened."""
        self._notebooks[notebook.uri] = notebook
        self.notebook_changed(notebook.uri)

    def notebook(self, uri: str) -> Notebook | None:
        """An open notebook, to be edited in place; `notebook_changed` must follow."""
        return self._notebooks.get(uri)

    def notebook_changed(self, uri: str) -> None:
        """Cells were moved, opened, closed or edited."""
        self._disown(uri)
        self._owner.update(dict.fromkeys(self._notebooks[uri].order, uri))
        self._changed(uri)

    def close_notebook(self, uri: str) -> None:
        """A notebook was closed."""
        self._notebooks.pop(uri, None)
        self._snapshots.pop(uri, None)
        self._disown(uri)

    def program(self, uri: str) -> str | None:
        """The program to which a document belongs; None if it is not open."""
        uri = self._owner.get(uri, uri)
        return uri if uri in self._documents or uri in self._notebooks else None

    def programs(self) -> Iterator[str]:
        """All open programs."""
        return iter([*self._documents, *self._notebooks])

    def version(self, program: str) -> int | None:
        """Counts the program's changes; None if it is not open."""
        return self._versions[program] if self.program(program) else None

    def snapshot(self, program: str) -> Snapshot:
        """The text of now. KeyError if the program is not open."""
        found = self._snapshots.get(program)
        if found is None:
            found = self._snapshots[program] = self._take(program)
        return found

    def _take(self, program: str) -> Snapshot:
        version, path = self._versions[program], path_of(program)
        if program in self._notebooks:
            return of_notebook(self._notebooks[program], path, version)
        return of_file(self._documents[program], path, version)

    def _changed(self, program: str) -> None:
        # Counted over all programs: one that is closed and opened again never repeats a version.
        self._versions[program] = next(self._counter)
        self._snapshots.pop(program, None)

    def _disown(self, notebook: str) -> None:
        self._owner = {cell: owner for cell, owner in self._owner.items() if owner != notebook}


def path_of(uri: str) -> Path:
    """Where a program lies; for one that was never saved, the name that the editor gives it."""
    scheme, _, path, _, _ = urlsplit(uri)
    if scheme == "file":
        return Path(to_fs_path(uri) or unquote(path))
    return Path(unquote(path).lstrip("/") or "untitled.py")

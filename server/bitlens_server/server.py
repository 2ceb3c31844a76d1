"""The server: what all handlers share, and the few things that it tells the client by itself."""

from __future__ import annotations

import asyncio
import logging
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bitlens import __version__, interpreters
from bitlens.analysis import Analysis
from bitlens.cache import MeasurementCache
from lsprotocol import types
from pygls.lsp.server import LanguageServer

from bitlens_server.analyses import Analyses
from bitlens_server.client import Client
from bitlens_server.garbage import Garbage
from bitlens_server.known import Known, Measured
from bitlens_server.measurements import Measurements
from bitlens_server.protocol import Protocol
from bitlens_server.refresh import Refresher
from bitlens_server.session import Session, path_of
from bitlens_server.settings import SettingsStore
from bitlens_server.snapshot import Snapshot
from bitlens_server.studies import Studies

log = logging.getLogger("bitlens")
STATUS = "bitlens/status"


class Server(LanguageServer):
    """pygls' server with our state."""

    def __init__(self) -> None:
        notebooks = types.NotebookDocumentSyncOptions(
            [types.NotebookDocumentFilterWithCells(cells=[types.NotebookCellLanguage("python")])], save=True
        )
        super().__init__(
            "bitlens",
            __version__,
            types.TextDocumentSyncKind.Incremental,
            notebooks,
            protocol_cls=Protocol,
            max_workers=2,
        )
        self.client = Client()
        self.session = Session()
        self.settings = SettingsStore()
        self.known = Known()
        self.cache = MeasurementCache()
        self.analyses = Analyses(self.session, self._analyse)
        self.measurements = Measurements(self)
        self.studies = Studies(self)
        self.refresher = Refresher(self, self.push_diagnostics)
        self.garbage = Garbage()
        self.was_shut_down = False
        self.pushing: set[asyncio.Task[None]] = set()

    def _analyse(self, snapshot: Snapshot, previous: Analysis | None) -> Analysis:
        """In the analysing thread."""
        program = snapshot.uri
        same_text = previous is not None and previous.version == snapshot.version
        return Analysis(
            snapshot.path,
            previous.text if same_text and previous is not None else snapshot.text,
            self.known.placed(program, snapshot),
            written=self.known.written(program, snapshot),
            originals=self.known.originals(program, snapshot),
            settings=self.settings.of(snapshot.path),
            sites=self.known.sites(program, snapshot),
            roots=self.known.roots(program),
            root=self.known.root(program),
            problems=self.known.problems(program),
            version=snapshot.version,
            cells=snapshot.cells,
        )

    def python_of(self, path: Path) -> str | None:
        """The interpreter of the workspace's own environment, for a file for which the client names none.

        None in a workspace that is not trusted: its files choose nothing that runs.
        """
        if not self.client.trusted:
            return None
        folders = [folder for uri in self.client.folders if path.is_relative_to(folder := path_of(uri))]
        return interpreters.beside(path.parent, max(folders, key=lambda one: len(one.parts), default=None))

    def news(self, program: str) -> None:
        """Something about a program is new though its text is not."""
        self.analyses.outdate(program)
        self.refresher.soon()

    def take_measured(self, measured: Measured, snapshot: Snapshot) -> None:
        """Numbers of a model arrived."""
        for changed in self.known.set_measured(measured, snapshot, self.open_programs()):
            self.news(changed)
        self.say_status()

    def open_programs(self) -> list[tuple[str, Snapshot]]:
        """Every open program and its text of now."""
        return [(program, self.session.snapshot(program)) for program in self.session.programs()]

    def push_diagnostics(self) -> None:
        """For clients that do not pull."""
        from bitlens_server.handlers.diagnostics import push

        task = asyncio.ensure_future(push(self))
        self.pushing.add(task)
        task.add_done_callback(self.pushing.discard)

    def tell(self, message: str, kind: types.MessageType = types.MessageType.Error) -> None:
        """Show a message to the user."""
        self.window_show_message(types.ShowMessageParams(kind, f"bitlens: {message}"))

    def say_wrong_settings(self, path: Path) -> None:
        """Tell what is wrong in the settings for a file, once."""
        for complaint in self.settings.new_complaints(path):
            self.tell(complaint, types.MessageType.Warning)

    def ask(self, method: str, params: Any = None) -> None:
        """Ask the client for something whose answer does not matter."""
        future = self.protocol.send_request(method, params)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def say_status(self, health: str = "ok", message: str = "") -> None:
        """What the client's status item shows, for clients that asked for it."""
        if not self.client.status:
            return
        runs = self.measurements.all()
        busy = "; ".join(f"{run.snapshot.path.name} {run.done}/{run.total or '?'}" for run in runs)
        device = next((one.numbers.environment.device for one in self.known.measured()), None)
        params = {"health": health, "busy": bool(runs), "message": message or busy, "device": device}
        self.protocol.notify(STATUS, params)

    def report_mistake(self, where: str) -> None:
        """Something of ours failed: the log gets the traceback, the client goes on."""
        log.exception("%s failed", where)
        _, error, _ = sys.exc_info()
        message = f"bitlens: {where} failed: {type(error).__name__}: {error}"
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, message))

    def close_down(self) -> None:
        """End every thread and worker."""
        self.measurements.close()
        self.studies.close()
        self.analyses.close()

    def debug_information(self) -> dict[str, Any]:
        """What a bug report needs."""
        return {
            "bitlens": __version__,
            "python": sys.version,
            "libraries": {name: _version(name) for name in ("pygls", "lsprotocol", "libcst")},
            "client": repr(self.client),
            "encoding": self.session.encoding,
            "programs": [str(self.session.snapshot(program).path) for program in self.session.programs()],
            "measured": [f"{one.name} of {one.program}" for one in self.known.measured()],
        }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

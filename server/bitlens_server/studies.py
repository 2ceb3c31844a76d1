"""What the source alone says, worked out when typing pauses: never on the way from an edit to an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitlens import cache, interpreters
from bitlens.analysis import Analysis
from bitlens.measuring import Options
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError
from bitlens.sites import sites_of
from bitlens.source.slice import Slice
from bitlens.source.store import LoweredStore
from bitlens.statics import static_numbers

from bitlens_server.building import options_of
from bitlens_server.known import Measured, Study
from bitlens_server.snapshot import Snapshot

if TYPE_CHECKING:
    from bitlens_server.server import Server

PAUSE = 0.25
"""Seconds without an edit after which a program is studied."""
PUBLISH_EVERY = 0.5
"""Seconds between two looks at the models of a file that has many."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a study found."""

    study: Study
    fresh: frozenset[str] = frozenset()
    """Names of measured models whose numbers still hold."""
    kept: tuple[Measured, ...] = ()
    """Models that were measured before, perhaps by another server, and still hold."""


class Studies:
    """Starts a study of a program when its text has been the same for a moment. Runs on the event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, "study")
        self._store = LoweredStore()

    def now(self, program: str) -> None:
        """The program was opened: nothing is known of it yet, so its first study waits for no pause."""
        self._start(program)

    def soon(self, program: str) -> None:
        """The program's text is new."""
        self.drop(program)
        self._timers[program] = asyncio.get_running_loop().call_later(PAUSE, self._start, program)

    def drop(self, program: str) -> None:
        """Not now."""
        timer = self._timers.pop(program, None)
        if timer is not None:
            timer.cancel()

    @property
    def busy(self) -> bool:
        """Whether a study is running or about to."""
        return bool(self._timers or self._tasks)

    def close(self) -> None:
        """The server ends."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start(self, program: str) -> None:
        self._timers.pop(program, None)
        if self._server.session.program(program) is None:
            return
        task = asyncio.ensure_future(self._study(program, self._server.session.snapshot(program)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _study(self, program: str, snapshot: Snapshot) -> None:
        loop = asyncio.get_running_loop()

        def publish(study: Study) -> None:
            loop.call_soon_threadsafe(self._take_study, program, snapshot, study)

        try:
            found = await loop.run_in_executor(self._thread, self._work, program, snapshot, publish)
        except Exception:
            self._server.report_mistake("study")
            return
        if self._server.session.program(program) is not None:
            self._take(program, snapshot, found)

    def _work(self, program: str, snapshot: Snapshot, publish: Callable[[Study], None]) -> Found:
        """In the studying thread. What it finds is tied to lines, so it outlives edits."""
        settings = self._server.settings.of(snapshot.path)
        analysis = Analysis(snapshot.path, snapshot.text, settings=settings)
        options = options_of(settings)
        try:
            python: str | None = interpreters.choose(options.python).path
        except BitlensError:
            python = None
        libraries = cache.site_packages(python) if python else ()
        static: list[Numbers] = []
        first = not self._server.known.has_static(program)
        last = 0.0
        for numbers in static_numbers(analysis.program, settings.models, libraries, self._store):
            static.append(numbers)
            if first and numbers.model.layers and time.monotonic() - last > PUBLISH_EVERY:
                last = time.monotonic()
                publish(Study(self._server.known.sites(program, snapshot), tuple(static)))
        sites, pieces, _ = sites_of(analysis.program)
        study = Study(sites, tuple(static))
        return self._compare(program, study, pieces, options, python) if python else Found(study)

    def _compare(
        self, program: str, study: Study, pieces: Iterable[Slice], options: Options, python: str
    ) -> Found:
        """Which measured models are still as the source says, and which ones the disk knows."""
        known = dict(self._server.known.measured_of(program))
        fresh: set[str] = set()
        kept: list[Measured] = []
        for piece in pieces:
            if not piece.runnable:
                continue
            key, measured = cache.key(piece, options, python), known.get(piece.name)
            if measured and measured.key == key and self._server.known.is_tied(program, piece.name):
                fresh.update([piece.name] if cache.is_current(measured.stamps) else [])
                continue
            found = self._server.cache.load(piece, options, python)
            if found is not None:
                fresh.add(piece.name)
                numbers = Numbers(found.model, "measured", found.environment, found.when)
                kept.append(Measured(program, piece.name, numbers, key, found.stamps))
        return Found(study, frozenset(fresh), tuple(kept))

    def _take_study(self, program: str, snapshot: Snapshot, study: Study) -> None:
        """On the event loop: the first part of a study."""
        if self._server.session.program(program) is not None:
            self._server.known.set_study(program, snapshot, study)
            self._server.news(program)

    def _take(self, program: str, snapshot: Snapshot, found: Found) -> None:
        """On the event loop: all of a study."""
        known = self._server.known
        known.set_study(program, snapshot, found.study)
        changed = {program}
        for measured in found.kept:
            changed |= known.set_measured(measured, snapshot, self._server.open_programs())
        if self._server.measurements.running(program) is None:
            changed |= known.set_stale(program, found.fresh)
        for one in changed:
            self._server.news(one)

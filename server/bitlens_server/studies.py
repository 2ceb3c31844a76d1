"""What the source alone says, worked out when typing pauses: never on the way from an edit to an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitlens import cache, interpreters
from bitlens.analysis import Analysis
from bitlens.editing.unquantized import originals
from bitlens.measuring import Options
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError
from bitlens.sites import Site, sites_of
from bitlens.source.program import Program
from bitlens.source.slice import Slice
from bitlens.source.store import LoweredStore
from bitlens.stamps import is_current
from bitlens.statics import Reading, buildable, static_numbers
from bitlens.written import written_numbers

from bitlens_server.building import options_of, original_name
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model whose numbers may be known, by the name under which they are."""

    name: str
    piece: Slice
    selection: str | None = None
    original: bool = False


class Studies:
    """Starts a study of a program when its text has been the same for a moment. Runs on the event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, "study")
        self._store = LoweredStore()
        self._closed = False

    def now(self, program: str) -> None:
        """The program was opened: nothing is known of it yet, so its first study waits for no pause."""
        self._start(program, self._server.garbage.opened)

    def soon(self, program: str) -> None:
        """The program's text is new."""
        self.drop(program)
        self._timers[program] = asyncio.get_running_loop().call_later(
            PAUSE, self._start, program, self._server.garbage.studied
        )

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
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start(self, program: str, done: Callable[[], None]) -> None:
        self._timers.pop(program, None)
        if self._closed or self._server.session.program(program) is None:
            return
        task = asyncio.ensure_future(self._study(program, self._server.session.snapshot(program)))
        task.add_done_callback(lambda _: done())
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
        beside = self._server.python_of(snapshot.path)
        python = _interpreter(settings.interpreter or beside)
        libraries = interpreters.site_packages(python) if python else ()
        how = Reading(libraries, self._store, settings.models)
        sites, pieces, _ = sites_of(analysis.program)
        first = not self._server.known.has_static(program)
        study = _read(analysis.program, how, sites, pieces, publish if first else _keep)
        if python is None:
            return Found(study)
        known = dict(self._server.known.measured_of(program))
        wanted = [Wanted(piece.name, piece) for piece in pieces]
        names = {one.name for one in wanted}
        asked = [one.selection for one in known.values() if one.name not in names]
        asked += self._server.cache.asked(analysis.program.file)
        wanted += _selected(analysis.program, how, asked, names)
        wanted += [Wanted(original_name(one.name), one, original=True) for one in originals(analysis)]
        return self._compare(program, study, wanted, options_of(settings, analysis, beside), python)

    def _compare(
        self, program: str, study: Study, wanted: Iterable[Wanted], options: Options, python: str
    ) -> Found:
        """Which measured models are still as the source says, and which ones the disk knows."""
        known = dict(self._server.known.measured_of(program))
        fresh: set[str] = set()
        kept: list[Measured] = []
        for one in wanted:
            if not one.piece.runnable:
                continue
            key, measured = cache.key(one.piece, options, python), known.get(one.name)
            if measured and measured.key == key and self._server.known.is_tied(program, one.name):
                fresh.update([one.name] if is_current(measured.stamps) else [])
                continue
            found = self._server.cache.load(one.piece, options, python)
            if found is not None:
                fresh.add(one.name)
                numbers = Numbers(found.model, "measured", found.environment, found.when)
                kept.append(
                    Measured(program, one.name, numbers, key, found.stamps, one.selection, one.original)
                )
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


def _interpreter(asked: str | None) -> str | None:
    try:
        return interpreters.choose(asked).path
    except BitlensError:
        return None


def _read(
    program: Program,
    how: Reading,
    sites: tuple[Site, ...],
    pieces: Sequence[Slice],
    publish: Callable[[Study], None],
) -> Study:
    """What the source says; `publish` gets the models of a file that has many while they arrive."""
    static: list[Numbers] = []
    last = 0.0
    for numbers in static_numbers(program, how, pieces):
        static.append(numbers)
        if numbers.model.layers and time.monotonic() - last > PUBLISH_EVERY:
            last = time.monotonic()
            publish(Study(sites, tuple(static)))
    reached = {line for one in static for line in one.by_line(str(program.path.absolute()))}
    return Study(sites, tuple(static), written_numbers(program, reached))


def _keep(_: Study) -> None:
    """Numbers that are shown already stay until all new ones are there."""


def _selected(
    program: Program, how: Reading, asked: Iterable[str | None], names: set[str]
) -> Iterator[Wanted]:
    """Models that were measured because somebody asked for them by name: classes, for the most part."""
    for selection in dict.fromkeys(asked):
        try:
            pieces = buildable(program, how, selection) if selection else ()
        except BitlensError:
            continue
        yield from (Wanted(piece.name, piece, selection) for piece in pieces if piece.name not in names)

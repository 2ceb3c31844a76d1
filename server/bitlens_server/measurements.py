"""Measuring from the editor: one measurement at a time, in a thread, streamed into what is known.

Nothing starts unless the client said that the workspace is trusted.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitlens import measuring
from bitlens.client import Worker
from bitlens.collect import Collector
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError, Problem
from bitlens.quantities import parse_size
from bitlens.settings import Settings
from bitlens.source.program import Program
from bitlens.source.slice import Slice, slices
from bitlens.source.statements import parse

from bitlens_server.progress import Progress
from bitlens_server.snapshot import Snapshot

if TYPE_CHECKING:
    from bitlens_server.server import Server

STREAM_EVERY = 0.25
"""Seconds between two looks at the layers that arrived."""
UNTRUSTED = Problem(
    "untrusted",
    "measuring runs the code of this workspace, which is not trusted; start the server with the client option"
    " `trusted: true` (in VS Code: trust the workspace).",
)


@dataclass(eq=False)
class Run:
    """One measurement of a program, queued or running."""

    program: str
    snapshot: Snapshot
    settings: Settings
    selection: str | None
    cancelled: threading.Event = field(default_factory=threading.Event)
    worker: Worker | None = None
    model: str = ""
    done: int = 0
    total: int | None = None
    token: str = ""
    """Of its progress bar."""

    def cancel(self) -> None:
        """End it, from any thread; the worker and all that it started are killed."""
        self.cancelled.set()
        if self.worker is not None:
            self.worker.kill()


class Measurements:
    """The queue of measurements and what becomes of them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = ThreadPoolExecutor(1, "measuring")
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def running(self, program: str) -> Run | None:
        """The measurement of a program that is queued or running."""
        return self._runs.get(program)

    def all(self) -> tuple[Run, ...]:
        """Every measurement that is queued or running."""
        return tuple(self._runs.values())

    def start(self, program: str, selection: str | None = None) -> Problem | None:
        """Queue the measurement of a program's models, or of one of them; why not, if it cannot be."""
        if not self._server.client.trusted:
            return UNTRUSTED
        self.cancel(program)
        snapshot = self._server.session.snapshot(program)
        run = Run(program, snapshot, self._server.settings.of(snapshot.path), selection)
        self._runs[program] = run
        task = asyncio.ensure_future(self._guard(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._server.news(program)
        return None

    def cancel(self, program: str | None = None) -> int:
        """Cancel the measurement of a program, or all; how many there were."""
        runs = [run for run in self._runs.values() if program in (None, run.program)]
        for run in runs:
            run.cancel()
        return len(runs)

    def cancel_token(self, token: object) -> None:
        """Cancel the measurement of a progress bar."""
        for run in self._runs.values():
            if run.token == token:
                run.cancel()

    def close(self) -> None:
        """The server ends: nothing may outlive it."""
        self.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _guard(self, run: Run) -> None:
        try:
            await self._run(run)
        except Exception:
            self._server.report_mistake("measure")
        finally:
            if self._runs.get(run.program) is run:
                del self._runs[run.program]
            self._server.news(run.program)
            self._server.say_status()

    async def _run(self, run: Run) -> None:
        loop = asyncio.get_running_loop()
        progress = Progress(self._server, f"Measuring {run.snapshot.path.name}")
        run.token = progress.token
        await progress.begin()
        self._server.say_status()

        def publish(job: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(job)

        problems = await loop.run_in_executor(self._thread, lambda: self._measure(run, progress, publish))
        self._server.known.complain(run.program, problems)
        progress.end("cancelled" if run.cancelled.is_set() else "done")
        for problem in problems:
            if not run.cancelled.is_set() and problem.severity == "error":
                self._server.tell(f"{run.snapshot.path.name}: {problem.message}")

    def _measure(
        self, run: Run, progress: Progress, publish: Callable[[Callable[[], None]], None]
    ) -> tuple[Problem, ...]:
        """In the measuring thread: all models of the program, one after the other."""
        try:
            pieces = slices(
                Program(run.snapshot.path, run.snapshot.text, parse(run.snapshot.text)), run.selection
            )
            options = options_of(run.settings)
            problems: list[Problem] = []
            with closing(measuring.worker_for(options)) as worker:
                run.worker = worker
                for piece in pieces:
                    if run.cancelled.is_set():
                        break
                    problems += self._piece(run, piece, options, progress, publish)
            return tuple(problems)
        except BitlensError as error:
            return (error.problem,)

    def _piece(
        self,
        run: Run,
        piece: Slice,
        options: measuring.Options,
        progress: Progress,
        publish: Callable[[Callable[[], None]], None],
    ) -> tuple[Problem, ...]:
        if not piece.runnable:
            return piece.problems
        assert run.worker is not None
        last = 0.0

        def arrived(collector: Collector) -> None:
            nonlocal last
            run.model, run.done, run.total = piece.name, len(collector.layers), collector.expected
            if time.monotonic() - last > STREAM_EVERY and collector.layers:
                last = time.monotonic()
                numbers = numbers_of(collector, complete=False)
                if numbers is not None:
                    publish(lambda: self._publish(run, piece.name, numbers, progress))

        collector = measuring.measure_slice(piece, options, run.worker, arrived)
        numbers = None if run.cancelled.is_set() else numbers_of(collector, complete=True)
        if numbers is None:
            return tuple(collector.problems)
        publish(lambda: self._publish(run, piece.name, numbers, progress))
        return piece.problems

    def _publish(self, run: Run, name: str, numbers: Numbers, progress: Progress) -> None:
        """On the event loop: new numbers for everyone who shows lines of this model."""
        progress.report(f"{name}: {run.done}/{run.total or '?'} layers", run.done, run.total)
        self._server.take_measured(run.program, name, numbers, run.snapshot)


def numbers_of(collector: Collector, complete: bool) -> Numbers | None:
    """What arrived so far as numbers."""
    model = collector.model()
    if model is None:
        return None
    return Numbers(model, "measured", collector.environment, time.time(), complete)


def options_of(settings: Settings) -> measuring.Options:
    """How the settings ask for models to be measured."""
    wanted = settings.measure
    return measuring.Options(
        python=settings.interpreter or None,
        device=wanted.device,
        schemes=tuple(dict.fromkeys((*wanted.schemes, *settings.hints.schemes))),
        allow_network=wanted.allow_network,
        time_limit=wanted.time_limit,
        memory_limit=parse_size(wanted.memory_limit) if wanted.memory_limit else None,
    )

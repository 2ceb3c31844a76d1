"""Measuring from the editor: one measurement at a time, in a thread, streamed into what is known.

Nothing starts unless the client said that the workspace is trusted.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bitlens.problems import Problem

from bitlens_server.building import Run, build
from bitlens_server.known import Measured
from bitlens_server.progress import Progress

if TYPE_CHECKING:
    from bitlens_server.server import Server

UNTRUSTED = Problem(
    "untrusted",
    "measuring runs the code of this workspace, which is not trusted; start the server with the client option"
    " `trusted: true` (in VS Code: trust the workspace).",
)


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
        settings, python = self._server.settings.of(snapshot.path), self._server.python_of(snapshot.path)
        run = Run(program, snapshot, settings, selection, python)
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
        for run in self._runs.values():
            run.finished.wait(2)
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

        def publish(measured: Measured) -> None:
            loop.call_soon_threadsafe(self._take, run, measured, progress)

        before = self._server.known.measured_of(run.program)
        try:
            problems = await loop.run_in_executor(self._thread, build, run, self._server.cache, publish)
        finally:
            self._restore(run, before)
            progress.end("cancelled" if run.cancelled.is_set() else "done")
        self._server.known.complain(run.program, problems)
        for problem in problems:
            if not run.cancelled.is_set() and problem.severity == "error":
                self._server.tell(f"{run.snapshot.path.name}: {problem.message}")

    def _take(self, run: Run, measured: Measured, progress: Progress) -> None:
        """On the event loop: new numbers for everyone who shows lines of this model."""
        if run.cancelled.is_set():
            return
        progress.report(f"{measured.name}: {run.done}/{run.total or '?'} layers", run.done, run.total)
        self._server.take_measured(measured, run.snapshot)

    def _restore(self, run: Run, before: list[tuple[str, Measured]]) -> None:
        """A model whose measurement did not come to its end keeps the numbers that it had."""
        now = dict(self._server.known.measured_of(run.program))
        for name, measured in before:
            if name in now and not now[name].numbers.complete:
                self._server.take_measured(measured, run.snapshot)

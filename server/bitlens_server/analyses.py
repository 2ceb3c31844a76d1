"""The one analysis that is current for each open program.

Analyses are made in a thread of their own. Text that was typed over before its turn came is never analysed,
and whoever waited for it is told so.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from bitlens.analysis import Analysis

from bitlens_server.session import Session
from bitlens_server.snapshot import Snapshot

Key = tuple[int, int]
Answer = TypeVar("Answer")


class Superseded(Exception):
    """The text changed, or was closed, while its answer was being made."""


@dataclass(frozen=True, slots=True)
class Current:
    """An analysis and the text that it is of."""

    snapshot: Snapshot
    analysis: Analysis


class Analyses:
    """Analyses by program, made when they are asked for."""

    def __init__(self, session: Session, analyse: Callable[[Snapshot, Analysis | None], Analysis]) -> None:
        """`analyse` gets a text and the last analysis of the same program; it runs in a thread."""
        self._session = session
        self._analyse = analyse
        self._news: dict[str, int] = defaultdict(int)
        self._counter = itertools.count(1)
        self._done: dict[str, tuple[Key, Current]] = {}
        self._running: dict[str, tuple[Key, asyncio.Task[Current]]] = {}
        self._thread = ThreadPoolExecutor(1, "analysis")

    def outdate(self, program: str) -> None:
        """Something new is known of a program, though its text has not changed."""
        self._news[program] = next(self._counter)

    def forget(self, program: str) -> None:
        """A program was closed."""
        self._done.pop(program, None)
        self._news.pop(program, None)

    def last(self, program: str) -> Current | None:
        """The newest analysis there is, perhaps of an older text."""
        done = self._done.get(program)
        return done[1] if done else None

    async def current(self, program: str) -> Current:
        """The analysis of the text of now. Raises Superseded if it changes or is closed meanwhile."""
        key = self._key(program)
        result = await asyncio.shield(self._task(program, key))
        if self._session.version(program) != key[0]:
            raise Superseded
        return result

    async def ask(self, program: str, question: Callable[[Current], Answer]) -> Answer:
        """The answer to a question about the text of now, from a thread. Raises as `current` does."""
        current = await self.current(program)
        answer = await asyncio.to_thread(question, current)
        if self._session.version(program) != current.snapshot.version:
            raise Superseded
        return answer

    async def soon(self, program: str, patience: float) -> tuple[Current, bool]:
        """The current analysis, or after `patience` seconds the last one; whether it is current."""
        last = self.last(program)
        if last is None:
            return await self.current(program), True
        waiting = asyncio.ensure_future(self.current(program))
        await asyncio.wait({waiting}, timeout=patience)
        if waiting.done():
            return waiting.result(), True
        waiting.cancel()
        return last, False

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _key(self, program: str) -> Key:
        version = self._session.version(program)
        if version is None:
            raise Superseded
        return version, self._news[program]

    def _task(self, program: str, key: Key) -> asyncio.Task[Current]:
        running = self._running.get(program)
        if running is not None and running[0] == key:
            return running[1]
        task = asyncio.ensure_future(self._make(program, key, self._session.snapshot(program)))
        task.add_done_callback(_look_at)
        self._running[program] = key, task
        return task

    async def _make(self, program: str, key: Key, snapshot: Snapshot) -> Current:
        done = self._done.get(program)
        if done is not None and done[0] == key:
            return done[1]
        previous = done[1].analysis if done else None
        loop = asyncio.get_running_loop()
        analysis = await loop.run_in_executor(self._thread, self._run, program, snapshot, previous)
        current = Current(snapshot, analysis)
        if self._session.version(program) == key[0]:
            self._done[program] = key, current
        return current

    def _run(self, program: str, snapshot: Snapshot, previous: Analysis | None) -> Analysis:
        if self._session.version(program) != snapshot.version:
            raise Superseded
        return self._analyse(snapshot, previous)


def _look_at(task: asyncio.Task[Current]) -> None:
    """Nobody may be waiting any more; asyncio complains about exceptions that nobody looked at."""
    if not task.cancelled():
        task.exception()

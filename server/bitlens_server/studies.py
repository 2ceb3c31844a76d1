"""What the source alone says, worked out when typing pauses: never on the way from an edit to an answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bitlens_server.snapshot import Snapshot

if TYPE_CHECKING:
    from bitlens_server.server import Server

PAUSE = 0.25
"""Seconds without an edit after which a program is studied."""


class Studies:
    """Starts a study of a program when its text has been the same for a moment. Runs on the event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, "study")

    def soon(self, program: str, wait: float = PAUSE) -> None:
        """The program's text is new."""
        self.drop(program)
        self._timers[program] = asyncio.get_running_loop().call_later(wait, self._start, program)

    def drop(self, program: str) -> None:
        """Not now."""
        timer = self._timers.pop(program, None)
        if timer is not None:
            timer.cancel()

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
        pass

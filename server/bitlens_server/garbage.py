"""Python's garbage collector, at moments when nobody waits.

It stops every thread while it looks at all objects, and many open files are many: a third of a second for the
largest. So it is off while people type, and what it has seen once is not looked at again each time.
"""

from __future__ import annotations

import asyncio
import gc

QUIET = 5.0
"""Seconds without a study after which it collects."""
MOST = 3_000_000
"""New objects (some 300 MB) after which it waits no longer."""
WHOLE_EVERY = 20
"""Collections after which one looks at everything again."""


class Garbage:
    """Collects when it is quiet. Does nothing until `begin`; runs on the event loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self._collections = 0

    def begin(self) -> None:
        """Take the collector over, for a process that does nothing but serve."""
        self._begun = True
        gc.disable()

    def studied(self) -> None:
        """A study has ended: there is something to collect, soon."""
        if not self._begun:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait = 0.0 if gc.get_count()[0] > MOST else QUIET
        self._timer = asyncio.get_running_loop().call_later(wait, self._collect)

    def _collect(self) -> None:
        self._timer = None
        self._collections += 1
        if self._collections % WHOLE_EVERY == 0:
            gc.unfreeze()
        gc.collect()
        gc.freeze()

"""Python's garbage collector, in steps that nobody feels.

It stops every thread while it looks at objects, and all those of a large file take it a third of a second.
So it looks at few new ones at a time, and at older ones only when it is quiet.
"""

from __future__ import annotations

import asyncio
import gc

YOUNG = 20_000
"""New objects at a time: some 3 ms."""
QUIET = 5.0
"""Seconds without a study after which it looks at all that edits have made."""
MOST = 3_000_000
"""New objects (some 300 MB) after which it waits no longer."""
WHOLE_EVERY = 20
"""Times after which it looks at everything again."""


class Garbage:
    """Collects in small steps. Does nothing until `begin`; runs on the event loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self._collections = 0

    def begin(self) -> None:
        """Take the collector over, for a process that does nothing but serve."""
        self._begun = True
        never = 2**30
        gc.set_threshold(YOUNG, never, never)

    def opened(self) -> None:
        """A file was studied for the first time: nearly all that this made is there to stay."""
        if self._begun:
            gc.freeze()

    def studied(self) -> None:
        """A file was studied again: there is something to collect, soon."""
        if not self._begun:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait = 0.0 if gc.get_count()[1] * YOUNG > MOST else QUIET
        self._timer = asyncio.get_running_loop().call_later(wait, self._collect)

    def _collect(self) -> None:
        self._timer = None
        self._collections += 1
        if self._collections % WHOLE_EVERY == 0:
            gc.unfreeze()
        gc.collect()
        gc.freeze()

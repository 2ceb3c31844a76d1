"""Python's garbage collector, in steps that nobody feels.

It stops every thread while it looks at objects, and all those of a large file take it a third of a second.
So it looks at few new ones at a time, at each of them once, and at everything again only when it is quiet.
"""

from __future__ import annotations

import asyncio
import gc

YOUNG = 20_000
"""New objects at a time: some 3 ms."""
QUIET = 5.0
"""Seconds without a study after which what lives is taken to live on."""
WHOLE_EVERY = 20
"""Studies after which it looks at everything again."""


class Garbage:
    """Collects in small steps. Does nothing until `begin`; runs on the event loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self._rests = 0

    def begin(self) -> None:
        """Take the collector over, for a process that does nothing but serve."""
        self._begun = True
        never = 2**30
        gc.set_threshold(YOUNG, never, never)

    def studied(self) -> None:
        """A study has ended: what it made is there to stay."""
        if not self._begun:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(QUIET, self._rest)

    def _rest(self) -> None:
        self._timer = None
        self._rests += 1
        if self._rests % WHOLE_EVERY == 0:
            gc.unfreeze()
            gc.collect()
        gc.freeze()

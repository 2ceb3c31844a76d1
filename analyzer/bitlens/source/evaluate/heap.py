"""Keeps Python's garbage collector off the libraries that stay evaluated."""

from __future__ import annotations

import gc

OBJECTS = 0.35
"""Objects that an evaluated character of a library is worth, all of which stay."""
COMPILED = 100_000
"""Objects that one evaluation may add to libraries that are there already: functions on their first call."""
SUSPECTED = 1_000_000
"""Objects that may be garbage before it is looked for in the whole heap, which takes seconds."""
_USUAL = gc.get_threshold()


class Heap:
    """What was made while the collector rested, and how much of it may be garbage by now."""

    def __init__(self) -> None:
        self.suspected = 0

    def rest(self) -> bool:
        """Stop the collector until `settle`: nearly nothing that an evaluation makes is garbage before its
        end, and looking for it takes a third of the time. False where the process set it up itself.
        """
        if not gc.isenabled() or gc.get_threshold() != _USUAL:
            return False
        gc.disable()
        return True

    def settle(self, characters: int, stays: bool) -> None:
        """Take all that there is out of the collector's rounds, after `characters` of libraries were
        evaluated without it; `stays`: for a file of a library.
        """
        lasting = int(OBJECTS * characters) + COMPILED * stays
        self.suspected += max(0, gc.get_count()[0] - lasting)
        if self.suspected > SUSPECTED:
            self.collect()
        gc.freeze()
        gc.enable()

    def collect(self) -> None:
        """Look for garbage everywhere."""
        gc.unfreeze()
        gc.collect()
        self.suspected = 0


HEAP = Heap()
"""The collector is the process's, and so is this."""

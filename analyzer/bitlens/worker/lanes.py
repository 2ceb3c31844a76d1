"""Work shared with forked copies of this process. Threads would wait for Python's lock between torch's calls.

The numbers of all pieces stand in a file whose position the copies share: who reads has the next one.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import threading
import warnings
from array import array
from collections.abc import Generator
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, Callable, Generic, TypeVar

import torch

from bitlens.worker import limits

MOST = 8
"""More share the memory's bandwidth, and each has a copy of what it changes."""
PATIENCE = 120.0
"""Seconds without an answer after which a copy is given up; a fork may hang in a lock of another library."""
_WORD = array("i").itemsize

R = TypeVar("R")


def usable(needed: int) -> int:
    """How many processes may share work of which each needs so many bytes; 1 where a fork is not safe."""
    if not sys.platform.startswith("linux") or torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return 1
    if sum(thread.is_alive() for thread in threading.enumerate()) > 1:
        return 1
    room, most = limits.room(), min(torch.get_num_threads(), MOST)
    return most if room is None else max(1, min(most, room // needed))


def shared(work: Callable[[int], R], count: int, lanes: int) -> Generator[R, None, None]:
    """`work` of 0, 1, …, `count` - 1 in this order, done by so many processes, of which this one is one.

    Raises what `work` raises here; what a copy fails at is done again here. Results are pickled.
    """
    crew: _Crew[R] = _Crew(work)
    try:
        crew.enlist(lanes - 1, count)
        for number in range(count):
            yield crew.result(number)
    finally:
        crew.close(os.WNOHANG)


class _Crew(Generic[R]):
    """The copies at work, and the results of which nobody asked yet."""

    def __init__(self, work: Callable[[int], R]) -> None:
        self._work = work
        self._results: dict[int, R] = {}
        self._copies: dict[Connection, int] = {}
        self._restore: Callable[[], None] = lambda: None
        self._numbers: IO[bytes] | None = None
        """Taken by nobody yet; None where nothing is shared."""

    def enlist(self, copies: int, count: int) -> None:
        """Fork; fewer copies where the system refuses. Together they stay within this process's limit."""
        if copies < 1:
            return
        with suppress(OSError):
            self._numbers = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed in `close`
            self._numbers.write(array("i", range(count)).tobytes())
            self._numbers.seek(0)
            self._restore = limits.divide(copies + 1)
            for _ in range(copies):
                self._fork()
        if not self._copies:
            self.close()

    def result(self, number: int) -> R:
        """Of one piece of work; meanwhile others are done."""
        self._listen(0)
        while number not in self._results:
            taken = self._next()
            if taken is not None:
                self._results[taken] = self._do(taken)
                self._listen(0)
            elif not self._copies:
                self._results[number] = self._work(number)
            elif not self._listen(PATIENCE):
                self.close()
        return self._results.pop(number)

    def close(self, options: int = 0) -> None:
        """End the copies, waiting for it as `options` of `waitpid` say; nothing is shared any more."""
        for answers in list(self._copies):
            self._dismiss(answers, options)
        self._restore()
        if self._numbers is not None:
            self._numbers.close()
            self._numbers = None

    def _do(self, number: int) -> R:
        """Tried again without copies, when all memory is there, before a failure counts."""
        try:
            return self._work(number)
        except Exception:
            if not self._copies:
                raise
        self.close()
        return self._work(number)

    def _next(self) -> int | None:
        taken = self._numbers.read(_WORD) if self._numbers is not None else None
        return int.from_bytes(taken, sys.byteorder) if taken else None

    def _listen(self, seconds: float) -> bool:
        """Take the answers that come in this time; False if none came."""
        ready = [one for one in wait(list(self._copies), seconds) if isinstance(one, Connection)]
        for answers in ready:
            self._take(answers)
        return bool(ready)

    def _take(self, answers: Connection) -> None:
        try:
            number, result = answers.recv()
            self._results[number] = result
        except (EOFError, OSError):
            self._dismiss(answers)

    def _fork(self) -> None:
        answers, answer = Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of torch's that do nothing now
            copy = os.fork()
        if copy == 0:
            self._run(answer)
        answer.close()
        self._copies[answers] = copy

    def _run(self, answer: Connection) -> None:
        """The life of a copy: nothing that the program registered for its end is run here."""
        try:
            gc.freeze()
            torch.set_num_threads(1)
            for answers in self._copies:
                answers.close()  # so that an answer to a process that died fails
            number = self._next()
            while number is not None:
                answer.send((number, self._work(number)))
                number = self._next()
        finally:
            os._exit(0)

    def _dismiss(self, answers: Connection, options: int = 0) -> None:
        copy = self._copies.pop(answers)
        answers.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(copy, signal.SIGKILL)
            os.waitpid(copy, options)
        if not self._copies:
            self._restore()

"""Starts, feeds, limits and kills the worker process; its states are explicit.

Used by `measuring` alone. Nothing here imports torch, and nothing that the worker does can raise out of `run`
except the caller's own interrupt: a worker that hangs, dies or floods costs one job and one clear problem.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import IO, Any

from bitlens.worker.wire import MAX_LINE, Event, Job, encode_job

WORKER = Path(__file__).parent / "worker"
START_LIMIT = 300.0
"""Seconds for the interpreter to start and to import torch, which a cold disk makes slow."""
TAIL = 16 * 1024
"""Characters of the worker's standard error that are kept for a message."""


class State(Enum):
    """Where a worker is in its life; only `IDLE` takes a job."""

    NEW = "not started"
    IDLE = "waiting for a job"
    BUSY = "running a job"
    DEAD = "ended"


class Worker:
    """One worker process in one interpreter. Not for use by two threads at once, except `kill`."""

    def __init__(self, python: str, time_limit: float) -> None:
        """`time_limit` is in seconds for each job, once torch is loaded; 0 for none."""
        self.state = State.NEW
        self._python = python
        self._time_limit = time_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes | None] = queue.Queue(maxsize=4096)
        self._readers: list[threading.Thread] = []
        self._errors = ""
        self._killed_by_us = False

    def run(self, job: Job) -> Iterator[Event]:
        """Run one job and yield its events; the last is always `done`, whatever happens.

        Leaving the iteration early kills the worker.
        """
        failed = self._start()
        if failed:
            yield from self._give_up(failed)
            return
        self.state = State.BUSY
        try:
            yield from self._events(job)
        finally:
            if self.state is State.BUSY:
                self.kill()

    def _start(self) -> str | None:
        """Start the process if need be; what went wrong, if anything did."""
        if self.state is State.IDLE:
            return None
        self._lines = queue.Queue(maxsize=4096)
        self._errors = ""
        self._killed_by_us = False
        try:
            self._process = subprocess.Popen(
                [self._python, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # its own process group: whatever it starts dies with it
            )
        except OSError as error:
            return f"{self._python} cannot be run ({error.strerror}); choose an interpreter with --python"
        pipes = ((self._read_events, self._process.stdout), (self._read_errors, self._process.stderr))
        self._readers = [threading.Thread(target=read, args=(pipe,), daemon=True) for read, pipe in pipes]
        for thread in self._readers:
            thread.start()
        self.state = State.IDLE
        return None

    def _read_events(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(MAX_LINE):
                self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(stream.fileno(), 65536):
                self._errors = (self._errors + chunk.decode(errors="replace"))[-TAIL:]

    def _events(self, job: Job) -> Iterator[Event]:
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has died already, or `kill` has closed the pipe
            self._process.stdin.write(encode_job(job))
            self._process.stdin.flush()
        deadline: float | None = time.monotonic() + START_LIMIT
        while True:
            if deadline and time.monotonic() >= deadline:
                self.kill()
                yield from self._give_up(_too_long(self._time_limit), "time-limit", job)
                return
            try:
                line = self._lines.get(timeout=_patience(deadline))
            except queue.Empty:
                if not self._killed_by_us:
                    continue
                line = None
            event = _decode(line)
            if event is None:
                yield from self._end(job)
                return
            if event["event"] == "started":
                deadline = time.monotonic() + self._time_limit if self._time_limit else None
                continue
            if event["event"] == "done":
                self.state = State.IDLE
                yield event
                return
            yield event

    def _end(self, job: Job) -> Iterator[Event]:
        """The stream is over before the job is."""
        cancelled = self._killed_by_us
        self.kill()
        if cancelled:
            yield from self._give_up("the measurement was cancelled", "cancelled", job)
        else:
            yield from self._give_up(self._last_words(), "worker-died", job)

    def _last_words(self) -> str:
        words = self._errors.strip().splitlines()
        said = f"; it said last: {words[-1][:300]}" if words else ""
        return f"the worker in {self._python} ended unexpectedly{said}"

    def _give_up(self, message: str, code: str = "interpreter", job: Job | None = None) -> Iterator[Event]:
        self.state = State.DEAD
        place = {"file": job.file, "line": job.line} if job else {}
        yield {"event": "problem", "code": code, "message": message, "severity": "error", **place}
        yield {"event": "done"}

    def kill(self) -> None:
        """End the worker and everything that it started, at once; safe to call from another thread."""
        self.state = State.DEAD
        process = self._process
        if process is None:
            return
        self._killed_by_us = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(queue.Empty):  # a reader that waits for room would wait for ever
            while True:
                self._lines.get_nowait()
        for thread in self._readers:
            if thread.is_alive():
                thread.join(1)
        if any(thread.is_alive() for thread in self._readers):
            return  # a process that left the group holds a pipe; closing what is being read would block
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr] # all three are pipes

    def close(self) -> None:
        """Let the worker end by itself; kill it if it does not."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        self.kill()


def _patience(deadline: float | None) -> float:
    """Seconds to wait for the next line; short, so that Ctrl-C is noticed on every platform."""
    return 0.5 if deadline is None else max(0.01, min(0.5, deadline - time.monotonic()))


def _too_long(seconds: float) -> str:
    return f"it took more than {seconds:g} s and was stopped; raise --time-limit, or use --static"


def _decode(line: bytes | None) -> Event | None:
    """The event of a line; None for the end of the stream or anything that is no event."""
    if line is None or not line.endswith(b"\n"):
        return None
    try:
        event: Any = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None

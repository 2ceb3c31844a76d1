"""The worker's loop: read a job, run it in a process of its own, stream its events."""

from __future__ import annotations

import os
import platform
import select
import signal
import sys
from dataclasses import replace
from io import BufferedReader
from typing import IO

from bitlens.worker import limits
from bitlens.worker.failure import Failure, describe
from bitlens.worker.wire import Event, Job, encode, read_job

TOO_LARGE = 75
"""Exit status of a child whose model does not fit; BSD's EX_TEMPFAIL."""


def serve() -> int:
    """Serve jobs until the end of input; 0, or 2 if the client speaks another protocol."""
    # The user's program must find neither pipe: it reads nothing, and what it prints goes to standard error.
    requests, events = open(os.dup(0), "rb"), open(os.dup(1), "wb")  # noqa: SIM115 (open for life)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    limits.prepare_environment()
    return _Loop(requests, events).run()


class _Loop:
    def __init__(self, requests: BufferedReader, events: IO[bytes]) -> None:
        self._requests = requests
        self._events = events

    def run(self) -> int:
        while True:
            try:
                job = read_job(self._requests)
            except (ValueError, KeyError, TypeError) as error:
                self._send({"event": "problem", **Failure("protocol", str(error)).as_event()})
                return 2
            if job is None:
                return 0
            self._run_apart(job)

    def _send(self, event: Event) -> None:
        self._events.write(encode(event))
        self._events.flush()

    def _run_apart(self, job: Job) -> None:
        """Run in a forked child, so that one program's default dtype or patches never reach the next.

        Elsewhere than on Linux a fork is not safe once torch is loaded, so there jobs share a process.
        """
        if not sys.platform.startswith("linux"):
            if self._run_here(job) == TOO_LARGE:
                self._run_here(replace(job, device="meta"))
            return
        _warm_up()
        status = self._fork(job)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == TOO_LARGE:
            status = self._fork(replace(job, device="meta"))
        if status:
            self._send({"event": "problem", **Failure.from_status(status).as_event()})
            self._send({"event": "done"})

    def _fork(self, job: Job) -> int:
        """Run `job` in a child; its wait status."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = self._run_here(job)
            finally:
                sys.stderr.flush()
                os._exit(code)
        return self._wait(child)

    def _wait(self, child: int) -> int:
        """Wait for `child`; end everything if the client's pipe closes first."""
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            if select.select([self._requests], [], [], 0.05)[0]:
                if not self._requests.peek(1):
                    os.killpg(0, signal.SIGKILL)
                return os.waitpid(child, 0)[
                    1
                ]  # the next job is here already: this one has said that it is done

    def _run_here(self, job: Job) -> int:
        """Run `job` here; 0, or TOO_LARGE (and nothing sent) where it should be tried on meta."""
        try:
            limits.apply(job.memory_limit, job.allow_network)
            if job.kind == "environment":
                self._send(_without_torch())
            from bitlens.worker import kinds  # imports torch, which the limits and the fork must precede

            self._send({"event": "started"})
            if not kinds.run(job, self._send):
                return TOO_LARGE
        except BaseException as error:
            self._send({"event": "problem", **describe(error, job.file).as_event()})
        self._send({"event": "done"})
        return 0


def _without_torch() -> Event:
    """What is known of an interpreter before torch is imported, which may fail."""
    known = {"python": platform.python_version(), "executable": sys.executable}
    return {"event": "environment", **known, "torch": None, "device": None, "device_name": None}


def _warm_up() -> None:
    """Import torch before the fork, so that the next job starts at once."""
    try:
        import torch  # noqa: F401
    except Exception:
        return

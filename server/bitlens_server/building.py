"""One measurement, in its own thread: the models of a program built and measured, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from bitlens import cache, interpreters, measuring
from bitlens.cache import MeasurementCache
from bitlens.client import Worker
from bitlens.collect import Collector
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError, Problem
from bitlens.quantities import parse_size
from bitlens.settings import Settings
from bitlens.source.program import Program
from bitlens.source.slice import Slice, slices
from bitlens.source.statements import parse

from bitlens_server.known import Measured
from bitlens_server.snapshot import Snapshot

STREAM_EVERY = 0.25
"""Seconds between two looks at the layers that arrived."""


@dataclass(eq=False)
class Run:
    """One measurement of a program, queued or running."""

    program: str
    snapshot: Snapshot
    settings: Settings
    selection: str | None
    model: str = ""
    done: int = 0
    total: int | None = None
    token: str = ""
    """Of its progress bar."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    worker: Worker | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End it, from any thread and without waiting; the worker and all that it started are killed."""
        self.cancelled.set()
        threading.Thread(target=self._kill, name="cancel", daemon=True).start()

    def _kill(self) -> None:
        """Until the measurement has ended: a worker that is about to start cannot be killed yet."""
        while not self.finished.is_set():
            if self.worker is not None:
                with suppress(RuntimeError):
                    self.worker.kill()
            self.finished.wait(0.1)


def build(run: Run, kept: MeasurementCache, publish: Callable[[Measured], None]) -> tuple[Problem, ...]:
    """Measure; `publish` gets each model, also while its layers arrive. What went wrong."""
    try:
        return _build(run, kept, publish)
    except BitlensError as error:
        return (error.problem,)
    finally:
        run.finished.set()


def _build(run: Run, kept: MeasurementCache, publish: Callable[[Measured], None]) -> tuple[Problem, ...]:
    program = Program(run.snapshot.path, run.snapshot.text, parse(run.snapshot.text))
    pieces = slices(program, run.selection)
    options = options_of(run.settings)
    with closing(measuring.worker_for(options)) as worker:
        run.worker = worker
        return tuple(problem for piece in pieces for problem in _piece(run, piece, options, kept, publish))


def _piece(
    run: Run,
    piece: Slice,
    options: measuring.Options,
    kept: MeasurementCache,
    publish: Callable[[Measured], None],
) -> Iterator[Problem]:
    yield from piece.problems
    if run.cancelled.is_set() or not piece.runnable or run.worker is None:
        return
    python = interpreters.choose(options.python).path
    key = cache.key(piece, options, python)
    last = time.monotonic()
    run.model = piece.name

    def arrived(collector: Collector) -> None:
        nonlocal last
        run.model, run.done, run.total = piece.name, len(collector.layers), collector.expected
        if time.monotonic() - last > STREAM_EVERY and collector.layers:
            last = time.monotonic()
            _publish(collector, False)

    def _publish(collector: Collector, complete: bool) -> None:
        numbers = numbers_of(collector, complete)
        if numbers is not None and not run.cancelled.is_set():
            stamps = cache.stamps_of(piece, numbers.model) if complete else {}
            publish(Measured(run.program, piece.name, numbers, key, stamps))

    collector = measuring.measure_slice(piece, options, run.worker, arrived)
    model = collector.model()
    if model is None or any(problem.severity == "error" for problem in collector.problems):
        yield from collector.problems
        return
    _publish(collector, True)
    if not run.cancelled.is_set():
        kept.save(piece, options, python, model, collector.environment)


def numbers_of(collector: Collector, complete: bool) -> Numbers | None:
    """What arrived so far as numbers."""
    model = collector.model()
    if model is None:
        return None
    return Numbers(model, "measured", collector.environment, time.time(), complete)


def options_of(settings: Settings) -> measuring.Options:
    """How the settings ask for models to be measured."""
    wanted = settings.measure
    return measuring.Options(
        python=settings.interpreter or None,
        device=wanted.device,
        schemes=tuple(dict.fromkeys((*wanted.schemes, *settings.hints.schemes))),
        allow_network=wanted.allow_network,
        time_limit=wanted.time_limit,
        memory_limit=parse_size(wanted.memory_limit) if wanted.memory_limit else None,
        histograms=True,
    )

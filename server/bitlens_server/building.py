"""One measurement, in its own thread: the models of a program built and measured, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from bitlens import cache, interpreters, measuring
from bitlens.analysis import Analysis
from bitlens.cache import MeasurementCache
from bitlens.client import Worker
from bitlens.collect import Collector
from bitlens.editing.unquantized import formats_asked, hides_errors, originals
from bitlens.measurement import Model
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError, Problem
from bitlens.settings import Settings
from bitlens.source.slice import Slice
from bitlens.statics import Reading, buildable

from bitlens_server.known import Measured
from bitlens_server.snapshot import Snapshot
from bitlens_server.wording import in_editor

STREAM_EVERY = 0.25
"""Seconds between two looks at the layers that arrived."""


@dataclass(eq=False)
class Run:
    """One measurement of a program, queued or running."""

    program: str
    snapshot: Snapshot
    settings: Settings
    selection: str | None
    python: str | None = None
    """The interpreter where the settings name none; None for the server's own surroundings."""
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
        return tuple(map(in_editor, _build(run, kept, publish)))
    except BitlensError as error:
        return (in_editor(error.problem),)
    finally:
        run.finished.set()


def _build(run: Run, kept: MeasurementCache, publish: Callable[[Measured], None]) -> tuple[Problem, ...]:
    snapshot = run.snapshot
    analysis = Analysis(snapshot.path, snapshot.text, settings=run.settings, cells=snapshot.cells)
    options = options_of(run.settings, analysis, run.python)
    libraries = interpreters.site_packages(interpreters.choose(options.python).path)
    how = Reading(libraries, configured=run.settings.models)
    pieces = buildable(analysis.program, how, run.selection)
    problems: list[Problem] = []
    hidden: set[str] = set()
    with closing(measuring.worker_for(options)) as worker:
        run.worker = worker
        one = partial(_piece, run, options=options, kept=kept, publish=publish)
        for piece in pieces:
            problems += piece.problems
            model = one(piece, problems)
            if model is not None and hides_errors(model, formats_asked(analysis)):
                hidden.add(piece.name)
        for piece in originals(analysis) if hidden else ():
            if piece.name in hidden:
                one(piece, problems, original=True)
    return tuple(problems)


def _piece(
    run: Run,
    piece: Slice,
    problems: list[Problem],
    *,
    options: measuring.Options,
    kept: MeasurementCache,
    publish: Callable[[Measured], None],
    original: bool = False,
) -> Model | None:
    """Measure one model; what went wrong is added to `problems`."""
    if run.cancelled.is_set() or not piece.runnable or run.worker is None:
        return None
    python = interpreters.choose(options.python).path
    key = cache.key(piece, options, python)
    last = time.monotonic()
    run.model = piece.name

    def arrived(collector: Collector) -> None:
        nonlocal last
        run.model, run.done, run.total = piece.name, len(collector.layers), collector.expected
        if time.monotonic() - last > STREAM_EVERY and (collector.layers or collector.estimated):
            last = time.monotonic()
            _publish(collector, False)

    def _publish(collector: Collector, complete: bool) -> None:
        numbers = numbers_of(collector, complete)
        if numbers is not None and not run.cancelled.is_set():
            stamps = cache.stamps_of(piece, numbers.model) if complete else {}
            name = original_name(piece.name) if original else piece.name
            publish(Measured(run.program, name, numbers, key, stamps, run.selection, original))

    collector = measuring.measure_slice(piece, options, run.worker, arrived)
    model = collector.model()
    if model is None or any(problem.severity == "error" for problem in collector.problems):
        problems += collector.problems
        return None
    _publish(collector, True)
    if not run.cancelled.is_set():
        kept.save(piece, options, python, model, collector.environment)
        if run.selection is not None:
            kept.remember(piece.file, run.selection)
    return model


def original_name(name: str) -> str:
    """What the model is called as it is before it is quantized."""
    return f"{name} before it is quantized"


def numbers_of(collector: Collector, complete: bool) -> Numbers | None:
    """What arrived so far as numbers."""
    model = collector.model()
    if model is None:
        return None
    return Numbers(model, "measured", collector.environment, time.time(), complete)


def options_of(settings: Settings, analysis: Analysis, python: str | None) -> measuring.Options:
    """How the settings, and what the program itself quantizes to, ask for its models to be measured.

    `python` is for where the settings name no interpreter.
    """
    wanted = measuring.as_set(settings.measure)
    schemes = (*wanted.schemes, *settings.hints.schemes, *formats_asked(analysis))
    return replace(
        wanted,
        python=settings.interpreter or python,
        schemes=tuple(dict.fromkeys(schemes)),
        histograms=True,
    )

"""The front door to everything that runs something: target to slices or checkpoint, worker, Report."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bitlens import __version__, interpreters, memory
from bitlens.backends.hub import is_hub_id, snapshot
from bitlens.collect import Collector
from bitlens.measurement import Environment, Model, Report, SchemeResult
from bitlens.problems import BitlensError, Problem, collected
from bitlens.quantities import parse_size
from bitlens.schemes import DEFAULT_IDS
from bitlens.worker.wire import Job

if TYPE_CHECKING:
    from bitlens.client import Worker
    from bitlens.settings import Measure
    from bitlens.source.slice import Slice

TIME_LIMIT = 600.0
"""Seconds for one model."""
WEIGHTS = (".safetensors", ".gguf", ".pt", ".pth", ".bin", ".ckpt", ".index.json")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; `time_limit` is in seconds for each model, 0 for none."""

    python: str | None = None
    device: str = "auto"
    schemes: tuple[str, ...] = DEFAULT_IDS
    allow_network: bool = False
    time_limit: float = TIME_LIMIT
    memory_limit: int | None = None
    """Bytes; 0 for none, None for the default, `memory.default_limit()`."""
    model: str | None = None
    config: str | None = None
    cache: str | None = None
    """A folder to keep what was measured of checkpoints; None keeps nothing."""
    estimate: bool = False
    """Stop after a first estimate from sampled rows."""
    histograms: bool = False


def as_set(wanted: Measure) -> Options:
    """The options that the settings of an editor or a project ask for."""
    return Options(
        device=wanted.device,
        schemes=wanted.schemes,
        allow_network=wanted.allow_network,
        time_limit=wanted.time_limit,
        memory_limit=parse_size(wanted.memory_limit) if wanted.memory_limit else None,
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """Called for each layer that arrives; `total` is None until the model is built."""

    model: str
    done: int
    total: int | None
    layer: str
    estimates: dict[str, SchemeResult] | None = None
    """The whole model by estimates, once, when these are there."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """What a measurement would run in."""

    interpreter: str
    reason: str
    environment: Environment
    libraries: dict[str, str | None]
    time_limit: float
    memory_limit: int
    problems: tuple[Problem, ...]


def measure(target: str, options: Options, on_event: Callable[[Progress], None] | None = None) -> Report:
    """Measure every model of `target`: a .py file, a notebook, a folder, a checkpoint or a cached hub id.

    Runs the user's code. Raises BitlensError where there is no such target, or a wrong interpreter.
    """
    jobs, problems = _jobs(target, options)
    models: list[Model] = []
    environment = Environment()
    with closing(worker_for(options)) as worker:
        for job in jobs:
            collector = _run(worker, job, on_event)
            model = collector.model()
            models += [model] if model else []
            problems += [] if model else collector.problems
            environment = collector.environment if collector.environment.torch else environment
    report = Report(__version__, environment, tuple(models), tuple(problems))
    if not target.endswith(".ipynb"):
        return report
    from bitlens.cells import in_cells
    from bitlens.source.program import read

    return in_cells(report, read(Path(target)))


def doctor(options: Options) -> Doctor:
    """Start the worker and ask it what it has; measures nothing and runs no user code."""
    python = interpreters.choose(options.python)
    collector, libraries = Collector(), {}
    with closing(worker_for(options)) as worker:
        for event in worker.run(Job("environment", device=options.device)):
            collector.take(event)
            libraries.update(event.get("libraries", {}))
    return Doctor(
        python.path,
        python.reason,
        collector.environment,
        libraries,
        options.time_limit,
        _memory_limit(options),
        tuple(collector.problems),
    )


def _run(worker: Worker, job: Job, on_event: Callable[[Progress], None] | None) -> Collector:
    collector = Collector()
    for event in worker.run(job):
        collector.take(event)
        if on_event and event["event"] in ("model", "layer", "totals"):
            model = collector.model() if event["event"] == "totals" and collector.estimated else None
            done, path = len(collector.layers), event.get("path", "")
            on_event(
                Progress(job.name or "", done, collector.expected, path, model.schemes if model else None)
            )
    return collector


def _jobs(target: str, options: Options) -> tuple[list[Job], list[Problem]]:
    base = _base_job(options)
    path = Path(target)
    if path.is_file() and path.suffix in (".py", ".ipynb"):
        return _program_jobs([path], options, base)
    if path.is_dir() and not is_checkpoint(path):
        from bitlens.source.program import discover

        left_out: list[Problem] = []
        jobs, problems = _program_jobs(discover(path, left_out), options, base)
        return jobs, left_out + problems
    if path.exists():
        return [replace(base, kind="checkpoint", file=str(path.absolute()), name=path.name)], []
    if is_hub_id(target) and ("/" in target or snapshot(target)):
        return [replace(base, kind="checkpoint", file=target, name=target)], []
    raise BitlensError(Problem("no-such-file", "there is no such file, folder or cached hub id", file=target))


def _base_job(options: Options) -> Job:
    return Job(
        kind="program",
        schemes=options.schemes,
        device=options.device,
        allow_network=options.allow_network,
        memory_limit=_memory_limit(options),
        histograms=options.histograms,
        estimate=options.estimate,
        cache=options.cache,
        config=str(Path(options.config).absolute()) if options.config else None,
    )


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds weights rather than programs."""
    names = os.listdir(folder)
    return "config.json" in names or any(name.endswith(WEIGHTS) for name in names)


def _program_jobs(files: list[Path], options: Options, base: Job) -> tuple[list[Job], list[Problem]]:
    # Reading programs imports a parser and an evaluator, which no checkpoint needs.
    from bitlens.reading import reading
    from bitlens.source.program import read
    from bitlens.statics import buildable

    jobs: list[Job] = []
    problems: list[Problem] = []
    for file in files:
        with collected(problems):
            how = reading(file, options.python, options.config)
            program = read(file)
            problems += program.unread
            for piece in buildable(program, how, options.model):
                problems += piece.problems
                jobs += [] if any(p.severity == "error" for p in piece.problems) else [_job(base, piece)]
    if len(files) != 1 and jobs:
        problems = [p for p in problems if p.code not in ("no-model", "bad-selection")]
    return jobs, problems


def _job(base: Job, piece: Slice) -> Job:
    return replace(
        base,
        file=os.path.abspath(piece.file),
        text=piece.text,
        target=piece.target,
        name=piece.name,
        line=piece.expression_line,
    )


def _memory_limit(options: Options) -> int:
    return memory.default_limit() if options.memory_limit is None else options.memory_limit


def worker_for(options: Options) -> Worker:
    """A worker that is started with its first job; close it. Raises BitlensError for a wrong interpreter."""
    from bitlens.client import Worker  # what was measured before needs none

    return Worker(interpreters.choose(options.python).path, options.time_limit)


def measure_slice(
    piece: Slice, options: Options, worker: Worker, on_change: Callable[[Collector], None]
) -> Collector:
    """Build and measure one model; `on_change` is called for each event, with all that arrived so far.

    Runs the user's code. Whatever becomes of the worker is a problem in the result, never an exception.
    """
    collector = Collector()
    for event in worker.run(_job(_base_job(options), piece)):
        collector.take(event)
        on_change(collector)
    return collector

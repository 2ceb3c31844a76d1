"""`bitlens doctor`: what a measurement would run in."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bitlens.cli.messages import FAILED
from bitlens.cli.options import options
from bitlens.cli.output import show
from bitlens.cli.table import Column, Table, Words, problem_lines
from bitlens.measuring import Doctor, doctor
from bitlens.quantities import UNKNOWN, duration, size


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; the exit code is 2 if nothing could be measured with it."""
    if arguments.explain:
        from bitlens.cli import explain

        return explain.run(arguments)
    found = doctor(options(arguments))
    rows = tuple((Words(name), Words(value)) for name, value in _facts(found))
    show([Table((Column((), "left"), Column((), "left")), rows), *problem_lines(found.problems)], arguments)
    return FAILED if any(problem.severity == "error" for problem in found.problems) else 0


def _facts(found: Doctor) -> Iterator[tuple[str, str]]:
    environment = found.environment
    yield "interpreter", f"{found.interpreter} ({found.reason})"
    yield "python", environment.python or UNKNOWN
    yield "torch", environment.torch or "not found"
    yield "device", " · ".join(filter(None, (environment.device, environment.device_name))) or UNKNOWN
    for name, version in sorted(found.libraries.items()):
        yield name, version or "not found"
    yield "time limit", f"{duration(found.time_limit)} for each model" if found.time_limit else "none"
    yield "memory limit", size(found.memory_limit) if found.memory_limit else "none"

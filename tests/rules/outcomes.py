"""What happens when the fixtures' programs run, and what a measurement says of the same models."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from bitlens.analysis import Analysis
from bitlens.client import Worker
from bitlens.editing.code import code_of
from bitlens.editing.unquantized import unquantized
from bitlens.measurement import Model
from bitlens.measuring import Options, measure_slice, worker_for
from bitlens.numbers import Numbers
from bitlens.source.program import program_of
from bitlens.source.slice import slices
from rules.programs import Fixture, fixtures

OPTIONS = Options(
    python=sys.executable,
    schemes=("float16", "quanto.qint4", "quanto.qint8", "quanto.qfloat8", "torch_ao.dynamic_int8"),
)
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}


@cache
def outcomes() -> dict[str, Any]:
    """What became of every fixture's programs, run in one process."""
    programs = {
        fixture.id: {
            "before": fixture.before,
            "after": fixture.after,
            "holds": fixture.holds,
            "original": original(fixture),
            **fixture.directives,
        }
        for kind in ("rules", "actions")
        for fixture in fixtures(kind)
    }
    script = Path(__file__).with_name("run_programs.py")
    ran = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(programs), capture_output=True, text=True, env=QUIET
    )
    assert ran.returncode == 0, ran.stderr
    results: dict[str, Any] = json.loads(ran.stdout)
    return results


def original(fixture: Fixture) -> str:
    """The program before, with its model as it is before it is quantized."""
    return unquantized(code_of(fixture.analysis())) or fixture.before


@cache
def _worker() -> Worker:
    worker = worker_for(OPTIONS)
    atexit.register(worker.close)
    return worker


@cache
def measured_models(text: str, path: Path) -> tuple[Model, ...]:
    """The models of a program, measured by the real worker, with its weights unrounded."""
    models = []
    for piece in slices(program_of(text, path)):
        model = measure_slice(piece, OPTIONS, _worker(), lambda _: None).model()
        assert model is not None, piece.problems
        models.append(model)
    return tuple(models)


def with_numbers(analysis: Analysis, models: Iterable[Model]) -> Analysis:
    """The analysis as it is after a measurement."""
    return analysis.knowing(Numbers(model, "measured") for model in models)

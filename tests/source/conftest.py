"""Executes slices for the tests of this folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bitlens.source.slice import Slice

RUNNER = Path(__file__).parent / "run_slices.py"


def _run(chosen: list[Slice], folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Execute slices, each in a namespace of its own, in one process: what they made and printed."""
    job = [{"file": s.file, "text": s.text, "target": s.target} for s in chosen]
    done = subprocess.run(
        [sys.executable, str(RUNNER)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    printed, _, result = done.stdout.rpartition("\n===\n")
    return json.loads(result), printed


@pytest.fixture(scope="session")
def run() -> Callable[[list[Slice], Path], tuple[list[dict[str, Any]], str]]:
    """Execute slices in one process, in a folder: what each built, and what they printed."""
    return _run

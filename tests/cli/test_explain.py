"""Where the source says something else than the model that was built: a width that only the process knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """import os

from torch import nn

width = int(os.environ.get("WIDTH", "4"))
net = nn.Sequential(
    nn.Linear(3, 2),
    nn.Linear(width, 2),
)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(PROGRAM)
    return tmp_path / "net.py"


def bitlens(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bitlens", *words]
    environment = {**os.environ, "WIDTH": "8"}
    return subprocess.run(
        command, cwd=program.parent, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(
    ("line", "code", "verdict"),
    [(7, 0, "equal"), (8, 1, "different: parameters"), (6, 1, "different: parameters"), (3, 2, "no model")],
)
def test_a_line_is_explained(program: Path, line: int, code: int, verdict: str) -> None:
    done = bitlens(program, "doctor", "--explain", f"net.py:{line}")
    assert (done.returncode, done.stderr) == (code, "")
    assert verdict in done.stdout
    if line == 8:
        assert ["parameters", "10", "18"] in [row.split() for row in done.stdout.splitlines()]


def test_a_document_notes_the_first_difference(program: Path) -> None:
    document = json.loads(bitlens(program, "analyze", "net.py", "--format", "json").stdout)
    ((problem,),) = [model["problems"] for model in document["models"]]
    assert (problem["code"], problem["severity"], problem["line"]) == ("source-differs", "information", 8)
    assert f"bitlens doctor --explain {program}:8" in problem["message"]

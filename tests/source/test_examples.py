"""Every example runs as it is, and its slices build the models that its first lines promise, and do nothing
else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bitlens.source.program import read
from bitlens.source.slice import Slice, slices

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if "\nmodel: " in path.read_text())
PROMISE = re.compile(r"^model: (\S+) (\S+) (\d+)$", re.MULTILINE)


def promised(path: Path) -> dict[str, tuple[str, int]]:
    return {
        name: (made.rsplit(".", 1)[-1], int(count)) for name, made, count in PROMISE.findall(path.read_text())
    }


def chosen(path: Path) -> list[Slice]:
    """The slices of an example; an expression among the promised names is given as the selection."""
    program = read(path)
    selections = [name for name in promised(path) if not name.isidentifier()]
    return [s for selection in selections or [None] for s in slices(program, selection)]


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, run: Callable[..., Any]
) -> dict[tuple[str, str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("empty")
    found = [(path, s) for path in EXAMPLES for s in chosen(path)]
    made, printed = run([s for _, s in found], folder)
    assert printed == "", "a slice printed"
    assert list(folder.iterdir()) == [], "a slice wrote a file"
    return {(path.name, s.name): outcome for (path, s), outcome in zip(found, made, strict=True)}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_slices_build_what_the_example_promises(
    path: Path, outcomes: dict[tuple[str, str], dict[str, Any]]
) -> None:
    built = {}
    for s in chosen(path):
        outcome = outcomes[path.name, s.name]
        assert "error" not in outcome, outcome["error"]
        built[s.name] = (outcome["class"], outcome["parameters"])
    assert built == promised(path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_layers_are_made_on_the_lines_of_the_file(
    path: Path, outcomes: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """Every frame of the user's file in which a module was constructed stands on a line that constructs
    one."""
    text = path.read_text().split("\n")
    for s in chosen(path):
        for line in outcomes[path.name, s.name]["lines"]:
            assert re.search(r"\(|^(import|from) ", text[line - 1]), f"line {line} constructs nothing"
            assert s.text.split("\n")[line - 1].strip()


RUN_ALL = """
import json, runpy, sys, warnings
warnings.simplefilter("ignore")
import torch
for path in json.load(sys.stdin):
    torch.set_default_dtype(torch.float32)
    sys.argv = [path]
    runpy.run_path(path, run_name="__main__")
"""


def test_examples_run(tmp_path: Path) -> None:
    paths = json.dumps([str(path) for path in EXAMPLES])
    command = [sys.executable, "-c", RUN_ALL]
    done = subprocess.run(command, input=paths, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

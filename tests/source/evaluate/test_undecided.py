"""What a test decides that the source does not tell, against the programs run with both answers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from bitlens.source.evaluate import evaluate, to_model
from torch import nn

NET = """\
import torch
from torch import nn
from nowhere import flag, rounds


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.head = nn.Linear(width, 10)


"""

SURE = {
    "the same on a device or not": "if flag:\n    model = Net().cpu()\nelse:\n    model = Net()\n",
    "the same in one expression": "model = Net(4) if flag else Net(4)\n",
    "only if": "if flag:\n    model = Net()\n    model.late = nn.Linear(2, 2)\n",
    "wrapped or not": "model = Net()\nif flag:\n    model = nn.DataParallel(model)\n",
    "made and wrapped": "if flag:\n    model = nn.DataParallel(Net())\n",
    "in a loop": "for fold in range(rounds):\n    model = Net()\n    model.late = nn.Linear(2, 2)\n",
}
OPEN = {
    "of two sizes": "if flag:\n    model = Net(16)\nelse:\n    model = Net()\n",
    "of two sizes in one expression": "model = Net(16) if flag else Net()\n",
    "of two classes": "if flag:\n    model = Net()\nelse:\n    model = nn.Sequential(nn.Linear(5, 5))\n",
    "changed by a later test": (
        "if flag:\n    model = Net()\nelse:\n    model = Net()\nif flag:\n    model.late = nn.Linear(2, 2)\n"
    ),
    "a parameter of a later test": (
        "if flag:\n    model = Net()\nelse:\n    model = Net()\n"
        "if flag:\n    model.late = nn.Parameter(torch.zeros(3))\n"
    ),
    "a test within the branch": (
        "if flag:\n    model = Net()\n    if rounds:\n        model.late = nn.Linear(2, 2)\n"
    ),
}


def run(program: str, flag: bool, monkeypatch: pytest.MonkeyPatch) -> nn.Module | None:
    answers = ModuleType("nowhere")
    answers.flag, answers.rounds = flag, 2 * flag  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nowhere", answers)
    variables: dict[str, object] = {}
    exec(NET + program, variables)
    model = variables.get("model")
    return model if isinstance(model, nn.Module) else None


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", [*SURE, *OPEN])
def test_what_is_said_holds_whatever_the_answer_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = SURE.get(name) or OPEN[name]
    file = tmp_path / "program.py"
    file.write_text(NET + program, "utf-8")
    construction = evaluate(file, "model")
    known = to_model(construction).parameters
    assert (known is not None) == (name in SURE)
    models = [model for flag in (False, True) if (model := run(program, flag, monkeypatch)) is not None]
    assert models
    for model in models:
        assert known is None or known == parameters(model)
        # A wrapped model has other paths.
        modules = dict(model.named_modules()) if known is None else {}
        for line in construction.lines:
            made = sum(parameters(modules[path]) for path in line.paths if path in modules)
            assert line.parameters is not None and (line.certainty == "exact" or known is None)
            least = line.parameters if line.least_parameters is None else line.least_parameters
            assert known or least <= made <= line.parameters, line

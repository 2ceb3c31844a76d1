"""A layer whose name or kind the source does not tell makes unknown what holds it, never a smaller number."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from bitlens.source.evaluate import evaluate, to_model
from torch import nn

PARTS = [
    "setattr(self, NAME, nn.Linear(5, 6))",
    "self.add_module(NAME, nn.Linear(5, 6))",
    "self.register_module(NAME, nn.Linear(5, 6))",
    "self.register_parameter(NAME, nn.Parameter(torch.zeros(3)))",
    "self.inner = nn.ModuleDict({NAME: nn.Linear(5, 6)})",
    "self.inner = nn.ModuleDict(); self.inner[NAME] = nn.Linear(5, 6)",
    "self.inner = nn.ModuleDict(); self.inner.update({NAME: nn.Linear(5, 6)})",
    "self.inner = nn.Sequential(nn.Linear(5, 6), LAYER)",
    "self.inner = nn.ModuleList([nn.Linear(5, 6), LAYER])",
    "self.inner = nn.ModuleDict(LAYERS)",
    "self.add_module('inner', LAYER)",
    "self.inner = LAYER",
]


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_known_is_not_left_out(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"""import torch
from torch import nn
from elsewhere import LAYER, LAYERS, NAME

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.known = nn.Linear(3, 4)
        {part}

    def forward(self, x):
        return self.inner(x)

model = nn.Sequential(
    Net()
)
"""
    file = tmp_path / "net.py"
    file.write_text(text, "utf-8")
    known = evaluate(file, "model")
    line = next(line for line in known.lines if line.paths == ("0",))
    assert (line.certainty, line.parameters, to_model(known).parameters) == ("unknown", None, None)
    elsewhere = ModuleType("elsewhere")
    vars(elsewhere).update(NAME="any", LAYER=nn.Linear(7, 8), LAYERS={"a": nn.Linear(7, 8)})
    monkeypatch.setitem(sys.modules, "elsewhere", elsewhere)
    namespace: dict[str, nn.Module] = {}
    exec(text, namespace)
    told = sum(line.parameters or 0 for line in known.lines if line.certainty == "exact")
    assert sum(one.numel() for one in namespace["model"].parameters()) > told


def test_a_number_that_is_not_known_leaves_the_layers_exact(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\nfrom elsewhere import N\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.known, self.n = nn.Linear(3, 4), N\n\n"
        "    def forward(self, x):\n        return self.known(x) * self.n\n\nmodel = Net()\n",
        "utf-8",
    )
    assert to_model(evaluate(file, "model")).parameters == 16


STOPPED = ["self.inner = nn.Linear(*UNKNOWN.parts)", "self.inner = self.part(nn.Linear(5, 6))", "self.fill()"]


@pytest.mark.parametrize("part", STOPPED)
def test_a_statement_that_cannot_be_evaluated_leaves_no_total(part: str, tmp_path: Path) -> None:
    """`missing` stands for what the evaluator does not have, such as an attribute that a library adds."""
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.known = nn.Linear(3, 4)\n        {part.replace('UNKNOWN', 'nn.Linear(2, 2)')}\n\n"
        "    def part(self, layer):\n        return layer.missing\n\n"
        "    def fill(self):\n        self.inner = nn.Linear(5, self.missing)\n\nmodel = Net()\n",
        "utf-8",
    )
    known = evaluate(file, "model")
    assert [line.parameters for line in known.lines if line.paths == ("known",)] == [16]
    assert (to_model(known).parameters, bool(known.problems)) == (None, True)


def test_a_statement_that_fills_weights_takes_no_layer_away(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.known = nn.Linear(3, 4)\n        nn.init.zeros_(self.known.missing)\n\nmodel = Net()\n",
        "utf-8",
    )
    assert to_model(evaluate(file, "model")).parameters == 16

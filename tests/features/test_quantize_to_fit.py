"""Quantize to fit: the plan against all plans, and the edited program against the real library."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from bitlens.actions import applied
from bitlens.analysis import Analysis
from bitlens.editing.offers import Span
from bitlens.features.fitting import Choice, best_plan, choose, taken
from bitlens.features.quantize_to_fit import fit, offered
from bitlens.measurement import Model
from bitlens.problems import BitlensError
from bitlens.settings import resolve
from hypothesis import given
from hypothesis import strategies as st
from rules.outcomes import measured_models, with_numbers

PROGRAM = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(500, 64)
        self.blocks = nn.ModuleList(Block(64) for _ in range(3))
        self.conv = nn.Conv2d(3, 8, 3)
        self.parts = nn.ModuleDict({"a*b": nn.Linear(64, 64), "axb": nn.Linear(64, 64)})
        self.head = nn.Linear(64, 500, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = x + block.down(torch.relu(block.up(x)))
        return self.head(self.parts["a*b"](x))


torch.manual_seed(0)
model = Net()
model.blocks[1].down.weight.data[0, 0] = 9.0  # an outlier: this layer takes quantization badly
model.eval()
print(model(torch.tensor([1, 2])).shape)
"""
RUNNER = Path(__file__).parents[1] / "rules" / "run_programs.py"
BYTES = """
def stored(tensor):
    if hasattr(tensor, "__tensor_flatten__"):
        return sum(stored(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
    return tensor.numel() * tensor.element_size()

assert sum(map(stored, [*model.parameters(), *model.buffers()])) == {0}
"""


def choices() -> st.SearchStrategy[tuple[Choice, ...]]:
    """Leaving alone costs nothing; the others may cost or save anything."""
    sizes, costs = st.integers(0, 60), st.integers(0, 50)
    others = st.lists(st.builds(Choice, st.just("s"), sizes, costs.map(float)), max_size=3)
    keep = st.builds(Choice, st.just(""), sizes, st.just(0.0))
    return st.builds(lambda first, rest: (first, *rest), keep, others)


@given(st.lists(choices(), min_size=1, max_size=5), st.integers(0, 250))
def test_it_fits_where_any_plan_fits_and_costs_at_most_one_step_more(
    groups: list[tuple[Choice, ...]], budget: int
) -> None:
    found = choose(groups, budget)
    assert all(choice in group for choice, group in zip(found, groups, strict=True))
    total, cost = sum(c.bytes for c in found), sum(c.cost for c in found)
    everything = [(sum(c.bytes for c in p), sum(c.cost for c in p)) for p in product(*groups)]
    fitting = [plan for plan in everything if plan[0] <= budget]
    if not fitting:
        assert total == min(everything)[0]
        return
    step = max(choice.cost for group in groups for choice in group)
    assert total <= budget
    assert min(c for _, c in fitting) <= cost <= min(c for _, c in fitting) + step


@pytest.fixture(scope="module")
def model() -> Model:
    """The program's model, measured by the worker."""
    return measured_models(PROGRAM, Path("fit.py").absolute())[-1]


@pytest.fixture(scope="module")
def analysis(model: Model) -> Analysis:
    return with_numbers(Analysis(Path("fit.py").absolute(), PROGRAM), [model])


def budgets(model: Model) -> list[int]:
    """From just too small for the model as it is, to the smallest that there is."""
    now, least = taken(model), best_plan(model, 0).bytes
    return [now - 1, (3 * now + least) // 4, (now + least) // 2, (now + 3 * least) // 4, least]


def run(texts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Run programs in a process of their own with the real library."""
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(RUNNER)]
    ran = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, env=quiet)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_the_edited_program_runs_and_takes_what_was_promised(analysis: Analysis, model: Model) -> None:
    """Bytes and error of the real model, for five budgets."""
    fits = {str(budget): fit(analysis, analysis.placed[0], budget) for budget in budgets(model)}
    programs = {
        name: {
            "before": PROGRAM,
            "original": PROGRAM,
            "after": applied(PROGRAM, found.edits),
            "holds": BYTES.format(found.plan.bytes),
            "scheme": "of the plan",
        }
        for name, found in fits.items()
    }
    for name, outcome in run(programs).items():
        plan = fits[name].plan
        assert outcome["after"] is None, outcome["after"]
        assert outcome["holds"] is None, outcome["holds"]
        assert plan.bytes <= int(name)
        errors = {path: layer["error"] for path, layer in outcome["layers"].items() if layer["error"]}
        assert set(errors) == set(plan.schemes)
        elements = {layer.path: layer.parameters for layer in model.layers}
        elements["head"] = 500 * 64  # its tied weight is counted at the embedding
        mean = sum(elements[p] * e * e for p, e in errors.items()) / sum(elements[p] for p in errors)
        assert plan.error == pytest.approx(math.sqrt(mean), rel=1e-4)


def test_the_layer_that_quantizes_badly_is_spared(model: Model) -> None:
    """Of layers that are alike but for one outlier, that one comes last."""
    schemes = best_plan(model, budgets(model)[2]).schemes
    assert schemes["blocks.0.down"] == "quanto.qint8"
    assert schemes.get("blocks.1.down") != "quanto.qint8"


def test_too_small_a_budget_is_told_with_the_smallest(analysis: Analysis, model: Model) -> None:
    least = best_plan(model, 0).bytes
    with pytest.raises(BitlensError, match="smallest that quanto makes of it is"):
        fit(analysis, analysis.placed[0], least - 1)


def test_a_model_that_fits_is_left_alone(analysis: Analysis, model: Model) -> None:
    found = fit(analysis, analysis.placed[0], taken(model))
    assert found.edits == ()
    assert "fits" in found.said


def test_it_is_offered_on_the_models_line_where_the_projects_budget_is_too_small(model: Model) -> None:
    settings, wrong = resolve(("test", {"diagnostics": {"budget": "200KB"}}, True))
    assert not wrong
    analysis = Analysis(Path("fit.py").absolute(), PROGRAM, settings=settings)
    line = PROGRAM[: PROGRAM.index("model = Net()")].count("\n") + 1
    found = offered(with_numbers(analysis, [model]), Span(line, 0, line, 5))
    assert found is not None
    assert found.budget == 200_000
    assert offered(with_numbers(analysis, [model]), Span(1, 0, 1, 5)) is None


def test_layers_that_do_not_survive_quanto_are_not_quantized(model: Model) -> None:
    own = "class Doubled(nn.Linear):\n    def forward(self, x):\n        return 2 * super().forward(x)\n"
    analysis = with_numbers(Analysis(Path("fit.py").absolute(), PROGRAM + own), [model])
    with pytest.raises(BitlensError, match="do not survive quanto"):
        fit(analysis, analysis.placed[0], 1000)


def test_a_model_that_is_quantized_already_is_not_quantized_twice(model: Model) -> None:
    text = PROGRAM + "from optimum.quanto import quantize, qint8\nquantize(model, qint8)\n"
    analysis = with_numbers(Analysis(Path("fit.py").absolute(), text), [model])
    with pytest.raises(BitlensError, match="quantized already"):
        fit(analysis, analysis.placed[0], 1000)

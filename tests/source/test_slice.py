"""A slice holds the marked lines of a fixture and nothing else; what it may not run, it never runs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bitlens.problems import BitlensError
from bitlens.source.program import program_of, read
from bitlens.source.slice import Slice, slices

FIXTURES = Path(__file__).parents[1] / "fixtures" / "slices"
MARKED = {"kept_training.py": "net", "kept_pair.py": "student", "kept_folds.py": "model"}


def marked_lines(text: str) -> set[int]:
    """Lines under a `# keep` mark, less those with `# drop`; a mark on a block's first line covers the
    block."""
    lines = text.split("\n")
    kept: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and lines[node.lineno - 1].endswith("# keep"):
            kept.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return {line for line in kept if lines[line - 1].strip() and not lines[line - 1].endswith("# drop")}


def sliced(source: str, selection: str | None = None) -> tuple[Slice, ...]:
    return slices(program_of(source, Path("program.py")), selection)


def code(found: Slice) -> str:
    return "\n".join(line for line in found.text.split("\n") if line.strip())


@pytest.mark.parametrize("name", MARKED)
def test_slice_holds_the_marked_lines_and_no_others(name: str) -> None:
    program = read(FIXTURES / name)
    (found,) = slices(program, MARKED[name])
    fillers = ("", "pass", "else:")
    kept = {n for n, line in enumerate(found.text.split("\n"), 1) if line.strip() not in fillers}
    lines = program.text.split("\n")
    assert kept == {line for line in marked_lines(program.text) if lines[line - 1].strip() not in fillers}


def test_marked_slices_run_without_data_output_or_files(tmp_path: Path, run: Callable[..., Any]) -> None:
    chosen = [found for name, model in MARKED.items() for found in slices(read(FIXTURES / name), model)]
    outcomes, printed = run(chosen, tmp_path)
    assert [outcome.get("error") for outcome in outcomes] == [None, None, None]
    assert [outcome["parameters"] for outcome in outcomes] == [12 * 8 + 8 + 8 * 3 + 3, 8 * 32 + 32, 2 * 42]
    assert [outcome["trainable"] for outcome in outcomes] == [8 * 3 + 3, 8 * 32 + 32, 0]
    assert [outcome["dtypes"] for outcome in outcomes] == [
        ["torch.float32"],
        ["torch.float16"],
        ["torch.float32"],
    ]
    assert printed == "" and list(tmp_path.iterdir()) == []


REASONS = {
    "import torch.nn as nn\nn = int(input())\nnet = nn.Linear(2, n)\n": (2, "asks the user"),
    "import sys\nimport torch.nn as nn\nnet = nn.Linear(2, int(sys.argv[1]))\n": (3, "command line"),
    "import torch.nn as nn\ndef main(width):\n    net = nn.Linear(2, width)\n": (2, "'width' of main()"),
    "import torch.nn as nn, datasets\nd = datasets.load_dataset('x')\nnet = nn.Linear(2, len(d))\n": (
        2,
        "network",
    ),
    "import argparse, torch.nn as nn\np = argparse.ArgumentParser()\n\np.add_argument('--n', required=True)\n"
    "a = p.parse_args()\nnet = nn.Linear(2, a.n)\n": (4, "command-line argument 'n'"),
}


@pytest.mark.parametrize("source", REASONS)
def test_what_cannot_be_sliced_says_why_and_where(source: str) -> None:
    (found,) = sliced(source)
    line, words = REASONS[source]
    (problem,) = found.problems
    assert (problem.code, problem.line, found.runnable) == ("unsliceable", line, False)
    assert words in problem.message


def test_calls_give_parameters_their_values() -> None:
    source = """import torch.nn as nn
def load(): open("data.txt", "w"); return 1
def main(width, data, depth=1):
    net = nn.Linear(width, depth)
    for x in data: net(x).backward()
main(7, load())
"""
    (found,) = sliced(source)
    assert "main(7, None)" in found.text and "load" not in found.text
    namespace: dict[str, object] = {}
    exec(compile(found.text, "program.py", "exec"), namespace)
    assert str(namespace["net"]) == "Linear(in_features=7, out_features=1, bias=True)"


def test_selections() -> None:
    source = """import torch.nn as nn
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.layer = nn.Linear(width, width)
class Needy(nn.Module):
    def __init__(self, width):
        super().__init__()
def build():
    return Net(5)
model = Net()
model = Net(9)
"""
    assert [found.name for found in sliced(source)] == ["model:11", "model:12"]
    assert [found.expression_line for found in sliced(source, "model")] == [11, 12]
    assert [found.expression_line for found in sliced(source, "model:12")] == [12]
    assert [found.target for found in sliced(source, "build")] == ["build()"]
    assert [found.target for found in sliced(source, "Net(width=4).layer")] == ["Net(width=4).layer"]
    assert [found.expression_line for found in sliced(source, "Net")] == [11, 12]
    for wrong in ("Needy", "Unknown(3)", "not an expression"):
        with pytest.raises(BitlensError) as error:
            sliced(source, wrong)
        assert error.value.problem.code == "bad-selection"


def test_root_classes_stand_in_for_models_that_nobody_builds() -> None:
    source = """import torch.nn as nn
class Part(nn.Module):
    def __init__(self): super().__init__()
class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part()
"""
    assert [found.target for found in sliced(source)] == ["Whole()"]
    with pytest.raises(BitlensError) as error:
        sliced("import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self, size): pass\n")
    assert error.value.problem.code == "no-model" and "--model 'Net(size=…)'" in error.value.problem.message
    with pytest.raises(BitlensError, match="builds no model"):
        sliced("x = 1\n")


def test_statements_that_share_a_line() -> None:
    (found,) = sliced("import os, torch.nn as nn; print(1); net = nn.Linear(1, 2); os.remove('x')\n")
    assert code(found) == "import os, torch.nn as nn; pass; net = nn.Linear(1, 2); pass"


def test_text_that_is_not_ascii_keeps_its_columns() -> None:
    source = (
        'import torch.nn as nn\ndef f():\n    print("Größe 🔥"); net = nn.Linear(1, 2); print("ß")\nf()\n'
    )
    (found,) = sliced(source)
    assert found.text.split("\n")[2] == "    pass; net = nn.Linear(1, 2); globals()['net'] = net; pass"


def test_static_quantization_gives_one_model_for_each_stage() -> None:
    """Observers and configuration belong to the float model; calibration runs in none of them."""
    source = """import torch, torch.nn as nn
import torch.ao.quantization as tq
def calibrate(model, data):
    model.eval()
    for x in data: model(x)
def main():
    torch.manual_seed(1)
    data = torch.randn(2, 8)
    model = nn.Sequential(tq.QuantStub(), nn.Linear(8, 4), tq.DeQuantStub())
    model.qconfig = tq.get_default_qconfig("x86")
    tq.prepare(model, inplace=True)
    calibrate(model, data)
    int8 = tq.convert(model, inplace=True)
    print(int8(data))
main()
"""
    stages = {found.name: [line for line in found.statements if line > 6] for found in sliced(source)}
    assert stages == {"model": [7, 9, 10, 11, 15], "int8": [7, 9, 10, 11, 13, 15]}


def test_slices_are_the_same_every_time() -> None:
    texts = [read(path) for path in sorted(FIXTURES.glob("*.py"))]
    assert [slices(program) for program in texts] == [slices(program) for program in texts]


def test_layers_of_a_comprehension_are_no_models_of_their_own() -> None:
    """They need its names, or are parts of the model that takes the list; `Net()` beside them is one."""
    source = (
        "from torch import nn\n"
        "layers = [nn.Linear(a, b) for a, b in [(1, 2), (2, 3)]]\n"
        "same = [nn.Linear(3, 3) for _ in range(2)]\n"
        "model = nn.Sequential(*layers, *same)\n"
        "count = sum(p.numel() for p in nn.Bilinear(1, 2, 3).parameters())\n"
    )
    assert [found.name for found in sliced(source)] == ["model", "Bilinear"]

# ruff: noqa: E501 (one row a line)
"""Hostile and broken sources: bounded, with a stated reason, and never an exception."""

import random
import sysconfig
from pathlib import Path

import pytest
from bitlens.problems import BitlensError
from bitlens.source.evaluate import Limits, evaluate, roots, world
from bitlens.source.evaluate.world import world_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SITE = Path(sysconfig.get_paths()["purelib"])
SMALL = Limits(steps=200_000, seconds=5, modules=5_000, elements=2_000_000)
HEADER = "import torch, re, itertools\nfrom torch import nn\n"
NET = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(1, 2)\n        {}\n"

HOSTILE = {
    "recursion": "self.b = Net()",
    "endless loop": "while True: x = 1",
    "endless iterator": "self.b = nn.ModuleList(nn.ReLU() for _ in itertools.count())",
    "a loop over what it appends to": "x = [1]\n        for y in x: x.append(y)",
    "1e9 layers": "self.b = nn.ModuleList(nn.ReLU() for _ in range(10**9))",
    "1e9 layers by multiplication": "self.b = nn.Sequential(*[nn.ReLU()] * 10**9)",
    "a huge list": "x = [0] * 10**12",
    "a huge range as a list": "x = list(range(10**12))",
    "the sum of a huge range": "x = sum(range(10**12))",
    "the maximum of a huge range": "x = max(range(10**12))",
    "a huge string": "x = 'a' * 10**12",
    "a string doubled": "x = 'ab'\n        for _ in range(200): x += x",
    "a list doubled": "x = [1]\n        for _ in range(200): x.extend(x)",
    "a huge number": "x = 10**10**10",
    "a number squared": "x = 9\n        for _ in range(200): x *= x",
    "a huge shift": "x = 1 << 10**12",
    "a wide format": "x = '%1000000000d' % 1",
    "a wide f-string": "x = f'{1:>{10**9}}'",
    "a wide padding": "x = 'a'.ljust(10**12)",
    "growing by replace": "x = 'aa'\n        for _ in range(200): x = x.replace('a', 'aaaaaaaaaa')",
    "growing by join": "x = 'ab' * 1000\n        for _ in range(200): x = x.join([x] * 1000)",
    "a table of powers": "x = list(itertools.product(range(1000), range(1000), range(1000)))",
    "mutual recursion": "self.f = lambda n: self.g(n)\n        self.g = lambda n: self.f(n)\n        self.f(1)",
    "exponential recursion": "f = lambda n: f(n - 1) + f(n - 1) if n else 1\n        self.n = f(100)",
    "undecided recursion": "f = lambda n: f(n) if torch.rand(1) > 0 else f(n + 1)\n        self.n = f(1)",
}


def write(tmp_path: Path, statement: str) -> Path:
    file = tmp_path / "net.py"
    file.write_text(HEADER + NET.format(statement))
    return file


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_end_at_a_limit(tmp_path: Path, name: str) -> None:
    construction = evaluate(write(tmp_path, HOSTILE[name]), "Net", limits=SMALL)
    assert construction.modules[0].type == "Net"
    if name != "undecided recursion":
        assert construction.limit or any(
            "cannot be evaluated" in problem.message for problem in construction.problems
        )
        assert construction.problems


def test_an_exponential_pattern_is_not_run(tmp_path: Path) -> None:
    construction = evaluate(
        write(tmp_path, "self.x = re.match(r'(a+)+$', 'a' * 40 + 'b')"), "Net", limits=SMALL
    )
    assert [module.type for module in construction.modules] == ["Net", "Linear"]


def test_import_cycles_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import B\nfrom torch import nn\nclass A(nn.Module): pass\n")
    (tmp_path / "b.py").write_text("import a\nfrom torch import nn\nclass B(a.A):\n    x = 1\n")
    (tmp_path / "net.py").write_text("from b import B\nfrom net import model as again\nmodel = B()\n")
    assert evaluate(tmp_path / "net.py", "model").modules[0].type == "B"


def test_an_import_by_itself_alone_ends(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from net import x\ny = x\n")
    assert evaluate(tmp_path / "net.py").problems[0].code == "no-model"


def test_libraries_are_dropped_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was evaluated of libraries goes all at once, and the next model is the same without it."""
    file = SITE / "transformers/models/llama/modeling_llama.py"
    first = evaluate(file, "LlamaModel", search_paths=[SITE])
    kept = world_for([SITE]).machine
    assert evaluate(file, "LlamaModel", search_paths=[SITE]) == first
    assert world_for([SITE]).machine is kept
    monkeypatch.setattr(world, "LIBRARIES", kept.imports.evaluated - 1)
    assert evaluate(file, "LlamaModel", search_paths=[SITE]) == first
    assert world_for([SITE]).machine is not kept


def test_a_library_that_met_a_limit_is_read_again() -> None:
    """What a limit left of a library is not what the next evaluation sees."""
    file = SITE / "transformers/models/mistral/modeling_mistral.py"
    stopped = evaluate(file, "MistralModel", search_paths=[SITE, SITE], limits=Limits(steps=300))
    assert stopped.limit and not stopped.modules
    again = evaluate(file, "MistralModel", search_paths=[SITE, SITE])
    assert again == evaluate(file, "MistralModel", search_paths=[SITE]) and again.modules


@pytest.mark.parametrize("limits", [Limits(seconds=0), Limits(wall_seconds=0)])
def test_processor_time_and_waiting_have_limits_of_their_own(limits: Limits) -> None:
    """Each of them ends a model that the count of steps would allow."""
    file = SITE / "transformers/models/mistral/modeling_mistral.py"
    stopped = evaluate(file, "MistralModel", search_paths=[SITE, SITE, SITE], limits=limits)
    assert stopped.limit and "0 seconds" in stopped.limit


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    construction = evaluate(write(tmp_path, "pass"), "Missing")
    assert any("'Missing'" in problem.message for problem in construction.problems)
    assert construction.modules == ()


def test_a_missing_file_and_a_broken_configuration(tmp_path: Path) -> None:
    with pytest.raises(BitlensError, match="cannot read"):
        evaluate(tmp_path / "missing.py", "Net")
    config = tmp_path / "config.json"
    config.write_text("[1")
    with pytest.raises(BitlensError, match="configuration"):
        evaluate(write(tmp_path, "pass"), "Net", config=config)


def test_a_broken_statement_leaves_the_others(tmp_path: Path) -> None:
    file = write(tmp_path, "pass")
    file.write_text("x = (1,\n" + file.read_text() + "def broken(:\n")
    assert len(evaluate(file, "Net").modules) == 2


def test_a_raising_constructor_keeps_what_it_built(tmp_path: Path) -> None:
    construction = evaluate(write(tmp_path, "raise ValueError('no')\n        self.b = nn.ReLU()"), "Net")
    assert [module.path for module in construction.modules] == ["", "a", "b"]
    assert "ValueError: no" in construction.problems[0].message


FILES = random.Random(4).sample(sorted(SITE.glob("transformers/models/*/modeling_*.py")), 6)
SOURCES = [path.read_text("utf-8")[:25_000] for path in FILES if path.stat().st_size < 120_000]
EDITS = [
    "",
    "(",
    ")",
    "None",
    "-1",
    "self",
    "[]",
    "*",
    "{}",
    "if x: ",
    "not ",
    "lambda: ",
    "10**9",
    "\n",
    "\n    ",
    "yield ",
    "=",
    "''",
    ".",
]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.data())
def test_mutated_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random edits of real files: an answer or problems, whatever the text has become."""
    lines = data.draw(st.sampled_from(SOURCES)).split("\n")
    for _ in range(data.draw(st.integers(1, 12))):
        number = data.draw(st.integers(0, len(lines) - 1))
        words = lines[number].split(" ")
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from(EDITS))
        lines[number] = " ".join(words)
    folder = tmp_path_factory.mktemp("mutated")
    file = folder / "modeling.py"
    file.write_text("\n".join(lines), "utf-8")
    limits = Limits(steps=100_000, seconds=2, modules=2_000, elements=2_000_000)
    for root in roots(file).chosen[-2:]:
        evaluate(file, root, limits=limits)

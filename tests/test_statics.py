"""Roots, configurations and what is said of lines whose size the source does not tell."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from bitlens.measurement import Line, Model
from bitlens.measuring import Options, measure_slice, worker_for
from bitlens.problems import BitlensError
from bitlens.reading import reading, static_report
from bitlens.report_json import SCHEMA_FILE, to_document
from bitlens.source.program import program_of
from bitlens.statics import Reading, buildable, static_models

CONFIGURED = """\
from dataclasses import dataclass
import torch.nn as nn


@dataclass
class NetConfig:
    width: int = 8
    depth: int = 2


{comment}class Net(nn.Module):
    def __init__(self, config: NetConfig):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.depth))


class Sized(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.out = nn.Linear(width, 1, bias)
"""
BRANCHES = """\
import sys
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, hidden, wide, repeats):
        super().__init__()
        self.up = nn.Linear(hidden, 4 * hidden)
        self.choice = nn.Linear(10, 20) if wide else nn.Linear(10, 30)
        if wide:
            self.other = nn.Conv2d(1, 2, 3)
        else:
            self.other = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(8) if wide else nn.LayerNorm(8)
        self.biased = nn.Linear(8, 8, bias=wide)
        self.many = nn.Sequential(*[nn.Linear(2, 2) for _ in range(repeats)])
        self.known = nn.Linear(5, 5)
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(text: str, **files: str) -> str:
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_text(content)
        (tmp_path / "net.py").write_text(text)
        return str(tmp_path / "net.py")

    return written


def run(file: str, selection: str) -> torch.nn.Module:
    """What Python itself makes of a program of `buildable`."""
    program = program_of(Path(file).read_text(), Path(file))
    (piece,) = buildable(program, reading(Path(file)), selection)
    names: dict[str, Any] = {"__name__": "net"}
    exec(compile(piece.text, file, "exec", dont_inherit=True), names)
    model: torch.nn.Module = eval(piece.target, names)
    return model


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("comment", "table", "expected"),
    [
        ("", None, 2 * (8 * 8 + 8)),
        ("# bitlens: config=NetConfig(width=4)\n", None, 2 * (4 * 4 + 4)),
        ("# bitlens: config=wide.json\n", None, 2 * (16 * 16 + 16)),
        ("# A note.\n# bitlens: config='deep.yaml'\n", None, 5 * (8 * 8 + 8)),
        ("", "wide.json", 2 * (16 * 16 + 16)),
        ("", "NetConfig(3, depth=1)", 3 * 3 + 3),
        ("# bitlens: config=NetConfig(width=4)\n", "wide.json", 2 * (4 * 4 + 4)),
    ],
)
def test_a_class_gets_the_configuration_that_is_asked_for(
    write: Any, comment: str, table: str | None, expected: int
) -> None:
    project = f"[tool.bitlens.models]\nNet = {json.dumps(table)}\n" if table else ""
    files = {"wide__json": '{"width": 16}', "deep__yaml": "depth: 5\n", "pyproject__toml": project}
    file = write(CONFIGURED.replace("{comment}", comment), **files)
    (said,) = static_report(file, "Net").models
    assert said.parameters == expected
    assert parameters(run(file, "Net")) == expected


@pytest.mark.parametrize("config", ["wide.json", "{'width': 16, 'head': {'size': 3}}"])
def test_a_class_that_reads_its_configuration_as_a_dict(write: Any, config: str) -> None:
    text = """
from torch import nn

class Net(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        sizes = cfg["head"]
        self.body = nn.Linear(cfg["width"], cfg.get("depth", 2) * cfg["width"])
        self.head = nn.Linear(cfg["width"], sizes["size"])
"""
    project = f"[tool.bitlens.models]\nNet = {json.dumps(config)}\n"
    file = write(text, wide__json='{"width": 16, "head": {"size": 3}}', pyproject__toml=project)
    (said,) = static_report(file, "Net").models
    assert said.parameters == parameters(run(file, "Net")) == 17 * 32 + 17 * 3


@pytest.mark.parametrize("name", ["../weights/minilm", "../weights/minilm/model.safetensors"])
def test_a_checkpoint_means_the_configuration_beside_it(write: Any, name: str) -> None:
    file = Path(write(CONFIGURED.replace("{comment}", f"# bitlens: config={name}\n")))
    folder = file.parent.parent / "weights" / "minilm"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"width": 16}')
    (folder / "model.safetensors").touch()
    (said,) = static_report(str(file), "Net").models
    assert said.parameters == 2 * (16 * 16 + 16) == parameters(run(str(file), "Net"))


def test_a_configuration_of_the_command_line_wins(write: Any) -> None:
    file = write(CONFIGURED.replace("{comment}", "# bitlens: config=NetConfig(width=4)\n"))
    (said,) = static_report(file, "Net", config="NetConfig(width=2)").models
    assert said.parameters == 2 * (2 * 2 + 2)


@pytest.mark.parametrize(
    ("comment", "code"),
    [("# bitlens: config=gone.json\n", "bad-config"), ("# bitlens: config=NetConfig(\n", "bad-config")],
)
def test_a_wrong_configuration_says_its_line(write: Any, comment: str, code: str) -> None:
    file = write(CONFIGURED.replace("{comment}", comment))
    (problem,) = static_report(file).problems
    assert (problem.code, problem.line) == (code, 11)


@pytest.mark.parametrize(
    "selection", ["Net", "Sized(7)", "Net(NetConfig(depth=1))", "small", "small()", "model"]
)
def test_a_model_is_named_by_class_expression_function_or_variable(write: Any, selection: str) -> None:
    text = CONFIGURED.replace("{comment}", "")
    text += "\n\ndef small():\n    return Sized(3)\n\n\nmodel = small()\n"
    file = write(text)
    (said,) = static_report(file, selection).models
    assert said.parameters == parameters(run(file, selection))
    assert said.name == selection


def test_a_class_whose_arguments_are_unknown_cannot_be_built(write: Any) -> None:
    file = write(CONFIGURED.replace("{comment}", ""))
    with pytest.raises(BitlensError, match=r"Sized\(width=…\)"):
        run(file, "Sized")
    (said,) = static_report(file, "Sized").models
    assert [(line.certainty, line.formula, line.missing) for line in said.lines] == [
        ("unknown", "width + 1", "width")
    ]


def branches() -> tuple[Model, dict[str, Line]]:
    program = program_of(BRANCHES, Path("net.py"))
    (said,) = static_models(program, Reading())
    return said.model, {path: line for line in said.model.lines for path in line.paths}


def test_every_line_says_exact_range_or_unknown() -> None:
    model, lines = branches()
    choices = [torch.nn.Linear(10, 20), torch.nn.Linear(10, 30)]
    assert (lines["choice"].least_parameters, lines["choice"].parameters) == tuple(map(parameters, choices))
    assert lines["choice"].certainty == "range"
    assert (lines["biased"].least_parameters, lines["biased"].parameters) == (64, 72)
    assert (lines["norm"].certainty, lines["norm"].parameters) == ("exact", 16)
    assert (lines["known"].certainty, lines["known"].bytes) == ("exact", 120)
    assert (lines["up"].certainty, lines["up"].formula, lines["up"].missing) == (
        "unknown",
        "4·hidden² + 4·hidden",
        "hidden",
    )
    assert (lines["many"].certainty, lines["many"].missing) == ("unknown", "how often a loop runs")
    assert (model.parameters, model.bytes, model.memory) == (None, None, None)
    assert [layer.path for layer in model.layers] == ["known"]
    assert any(problem.code == "unknown-size" for problem in model.problems)


def test_documents_of_static_reports_are_valid(write: Any) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
    examples = Path(__file__).parent.parent / "examples"
    for target in (write(BRANCHES), str(examples / "training.py"), str(examples / "conditional.py")):
        document = json.loads(json.dumps(to_document(static_report(target)), allow_nan=False))
        validator.validate(document)
        assert all(line["certainty"] for model in document["models"] for line in model["lines"])


def test_a_checkpoint_that_is_not_here_says_how_to_get_it(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(Path(write("")).parent))
    file = write("from transformers import AutoModel\n\nmodel = AutoModel.from_pretrained('org/name')\n")
    (problem,) = static_report(file).problems
    assert (problem.code, problem.line) == ("not-in-cache", 3)
    assert "hf download org/name" in problem.message


ZOO = """\
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)


class Net(nn.Module):
    def __init__(self, block, depth, width=4):
        super().__init__()
        self.blocks = nn.Sequential(*[block(width) for _ in range(depth)])


class Head(nn.Linear):
    def __init__(self, n=3):
        super().__init__(n, n)


def _net(depth, **kwargs):
    return Net(Block, depth, **kwargs)


def net2(pretrained=False, **kwargs):
    model = _net(2, **kwargs)
    if pretrained:
        model.load_state_dict({})
    return model


def net5(*, width=8):
    return _net(5, width=width)


def printed():
    print(net2())
"""


def test_functions_that_build_by_their_defaults_stand_for_classes_that_need_arguments(tmp_path: Path) -> None:
    """The sizes are those of the models that Python builds; a class that nothing uses is there as well."""
    program = program_of(ZOO, tmp_path / "zoo.py")
    space: dict[str, Any] = {}
    exec(compile(ZOO, "zoo.py", "exec"), space)
    made = list(static_models(program, Reading()))
    found = {one.root: one.model.parameters for one in made}
    names = ["net2", "net5", "Head"]
    lines = [ZOO[: ZOO.index(start)].count("\n") + 1 for start in ("def net2", "def net5", "class Head")]
    assert [one.model.line for one in made] == lines
    assert found == {name: sum(p.numel() for p in space[name]().parameters()) for name in names}
    nothing_built = ZOO.replace("n=3", "n").replace("print(net2())", "pass")
    with pytest.raises(BitlensError, match="--model 'net5'"):
        buildable(program_of(nothing_built, tmp_path / "zoo.py"), Reading())


WRAPPED = """\
from torch import nn
from torch.nn.utils import parametrize, weight_norm
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm as normed
from elsewhere import wrapper

new = normed(nn.Linear(30, 20))
old = weight_norm(nn.Conv1d(3, 5, 7), dim=1)
free = orthogonal(module=nn.Linear(30, 20))
flat = spectral_norm(nn.Linear(30, 20)).half()
own = parametrize.register_parametrization(nn.Linear(30, 20), "weight", nn.Identity())
plain = nn.Linear(30, 20)
same = normed(plain)
unknown = wrapper(nn.Linear(30, 20))
"""


def test_a_model_with_a_norm_around_it_is_named_by_its_variable(tmp_path: Path) -> None:
    """What an unknown function makes of a model has no numbers under the variable that gets it."""
    program = program_of(WRAPPED, tmp_path / "wrapped.py")
    space: dict[str, Any] = {}
    with pytest.warns(FutureWarning, match="weight_norm"):
        exec(WRAPPED.replace("from elsewhere import wrapper", "wrapper = print"), space)
    found = {one.root: one.model for one in static_models(program, Reading())}
    for name in ("new", "old", "free", "flat", "own", "same"):
        assert found[name].parameters == parameters(space[name])
    assert "unknown" not in found
    assert not any(one.known for one in static_models(program, Reading(), "unknown"))
    assert [piece.name for piece in buildable(program, Reading(), "old")] == ["old"]


LAZY = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.waiting = nn.LazyConv2d(4, 3)
        self.norm = nn.LazyInstanceNorm2d()
        self.known = nn.Linear(10, 5)


model = Net()
"""


def test_a_lazy_layer_has_no_size_before_its_first_input_and_the_others_are_measured(tmp_path: Path) -> None:
    """Both from the source and of the model that was built."""
    program = program_of(LAZY, tmp_path / "lazy.py")
    options = Options(schemes=("quanto.qint8",), device="cpu")
    (piece,) = buildable(program, Reading())
    with closing(worker_for(options)) as worker:
        found = measure_slice(piece, options, worker, lambda _: None).model()
    (said,) = [one.model for one in static_models(program, Reading())]
    assert found is not None and found.schemes == {}
    assert found.layers[0].schemes["quanto.qint8"].converted
    for model in (said, found):
        assert [layer.path for layer in model.layers] == ["known"]
        assert (model.parameters, model.memory, model.dtypes) == (None, None, {"float32": 55})
        lines = {line.line: (line.certainty, line.parameters) for line in model.lines}
        assert lines == {7: ("unknown", None), 8: ("unknown", None), 9: ("exact", 55)}
        assert [problem.code for problem in model.problems] == ["unknown-size"]
    assert ": waiting, norm" in found.problems[0].message


ASSEMBLED = """\
import torch
from torch import nn
from torch.nn import Linear, Sequential


def build(n=50):
    return nn.Sequential(nn.Linear(n, n), norm(n))


def norm(n=8):
    return nn.LayerNorm(n)


def whole(n=4):
    layers = [Linear(n, n), nn.ReLU()]
    return _wrapped(layers)


def _wrapped(layers):
    return Sequential(*layers, torch.nn.Linear(3, 3))


def count(n=3):
    return sum(p.numel() for p in nn.Linear(n, n).parameters())


def loss():
    return nn.CrossEntropyLoss()


def sized(n):
    return nn.Linear(n, n)
"""


def test_functions_that_build_layers_of_torch_stand_for_models_that_nobody_builds(tmp_path: Path) -> None:
    """Helpers of others, and what gives no model or needs an argument, do not."""
    program = program_of(ASSEMBLED, tmp_path / "assembled.py")
    space: dict[str, Any] = {}
    exec(ASSEMBLED, space)
    found = [(one.root, one.model.line, one.model.parameters) for one in static_models(program, Reading())]
    assert found == [(name, line, parameters(space[name]())) for name, line in (("build", 6), ("whole", 14))]
    with pytest.raises(BitlensError, match="--model '"):
        buildable(program, Reading())

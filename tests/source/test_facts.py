"""Facts against torch itself and against real modeling files."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
import torch.nn as nn
import transformers
from bitlens.problems import BitlensError
from bitlens.source import torch_names
from bitlens.source.facts import Facts, facts
from bitlens.source.imports import names_of
from bitlens.source.program import program_of, read
from bitlens.source.slice import slices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODELS = Path(transformers.__file__).parent / "models"
SAMPLE = [MODELS / name / f"modeling_{name}.py" for name in ("bert", "mistral", "vit")]


def facts_of(source: str) -> Facts:
    return facts(program_of(source, Path("program.py")))


def test_the_lists_of_torch_classes_are_torchs() -> None:
    """The lists may name classes of other versions of torch; none of this version may be missing."""
    real = {
        name for name, value in vars(nn).items() if inspect.isclass(value) and issubclass(value, nn.Module)
    }
    assert real - {"Container"} <= torch_names.TORCH_MODULES
    for name in torch_names.WITHOUT_PARAMETERS & real:
        source = inspect.getsource(getattr(nn, name))
        assert "Parameter(" not in source, name


@pytest.mark.parametrize(
    "imports",
    [
        "import torch\nX = torch.nn.Linear",
        "import torch.nn as N\nX = N.Linear",
        "from torch import nn\nX = nn.Linear",
        "from torch.nn import Linear as L\nX = L",
        "from torch.nn import *\nX = Linear",
        "import torch.nn.modules.linear\nX = torch.nn.modules.linear.Linear",
        "try:\n    from torch.nn import Linear\nexcept ImportError:\n    from mine import Linear\nX = Linear",
        "def f():\n    from torch.nn import Linear\nX = Linear",
        "import torch as t\nnn = t.nn\nX = nn.Linear",
    ],
)
def test_every_import_form_means_the_same(imports: str) -> None:
    body = ast.parse(imports).body
    assert isinstance(body[-1], ast.Assign)
    assert names_of(body).dotted(body[-1].value) == "torch.nn.Linear"


LAYERS = """
from collections import OrderedDict
from functools import partial
import torch
from torch import nn
ACTS = {"relu": nn.ReLU}
class Block(nn.Module):
    def __init__(self, width, act="relu", norm_layer=nn.LayerNorm, cls=None):
        super().__init__()
        self.fc = nn.Linear(width, 4, bias=False)
        self.act = ACTS[act]()
        self.norm = norm_layer(width)
        self.body = nn.Sequential(nn.Conv2d(3, 8, (3, 5)), nn.Sequential(
            nn.Dropout(p=-0.5)))
        self.named = nn.Sequential(OrderedDict([("one", nn.Flatten())]))
        self.many = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
        self.layers = nn.ModuleList()
        for _ in range(2):
            self.layers.append(nn.GELU())
        self.add_module("extra", nn.Tanh())
        self.table = nn.ModuleDict({"a": nn.ReLU()})
        kind = partial(nn.GroupNorm, 2)
        self.own = kind(8)
        self.made = self._make(Block)
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("mask", torch.ones(3))
    def _make(self, part):
        return nn.Identity()
    def forward(self, x):
        x = self.norm(x)
        return self.fc(x)
"""


def test_layers_by_every_way_of_attaching_them() -> None:
    found = facts_of(LAYERS)
    assert [(fact.line, fact.class_name, fact.attribute, fact.attached) for fact in found.layers] == [
        (10, "torch.nn.Linear", "fc", "attribute"),
        (11, "ACTS", "act", "attribute"),
        (12, "torch.nn.LayerNorm", "norm", "attribute"),
        (13, "torch.nn.Sequential", "body", "attribute"),
        (13, "torch.nn.Conv2d", "body.0", "sequential"),
        (13, "torch.nn.Sequential", "body.1", "sequential"),
        (14, "torch.nn.Dropout", "body.1.0", "sequential"),
        (15, "torch.nn.Sequential", "named", "attribute"),
        (15, "torch.nn.Flatten", "named.one", "named"),
        (16, "torch.nn.ModuleList", "many", "attribute"),
        (16, "torch.nn.Linear", "many[]", "comprehension"),
        (17, "torch.nn.ModuleList", "layers", "attribute"),
        (19, "torch.nn.GELU", "layers[]", "append"),
        (20, "torch.nn.Tanh", "extra", "named"),
        (21, "torch.nn.ModuleDict", "table", "attribute"),
        (21, "torch.nn.ReLU", "table.a", "dict"),
        (23, "torch.nn.GroupNorm", "own", "attribute"),
        (28, "torch.nn.Identity", None, "return"),
    ]
    assert found.layers[0].arguments == ((1, 4), ("bias", False))
    assert found.layers[4].arguments == ((0, 3), (1, 8), (2, (3, 5)))
    assert [(t.kind, t.name, t.line) for t in found.tensors] == [
        ("parameter", "scale", 25),
        ("buffer", "mask", 26),
    ]
    assert [(c.name, c.bases, c.required) for c in found.classes] == [
        ("Block", ("torch.nn.Module",), ("width",))
    ]


CALLS = """
import copy, timm, torch, torchvision
from optimum.quanto import freeze, qint8, quantize
from transformers import AutoModel, AutoTokenizer, BitsAndBytesConfig, pipeline
from torch import nn
tokenizer = AutoTokenizer.from_pretrained("x")
config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModel.from_pretrained("x", torch_dtype=torch.half, quantization_config=config)
second = copy.deepcopy(model).to(torch.bfloat16).eval()
third = torchvision.models.resnet18()
fourth = timm.create_model("vit_tiny_patch16_224")
pipe = pipeline("text-generation", model="y", dtype="auto")
quantize(model, weights=qint8)
freeze(model)
third.load_state_dict({})
third.half()
torch.set_default_dtype(torch.float64)
with torch.autocast("cuda", dtype=torch.float16):
    pass
fifth = torch.ao.quantization.quantize_dynamic(third, {nn.Linear}, dtype=torch.qint8)
third.qconfig = torch.ao.quantization.get_default_qconfig("x86")
nn.utils.prune.l1_unstructured(third.fc, "weight", 0.5)
loss = nn.CrossEntropyLoss()
"""


def test_models_dtypes_and_conversions() -> None:
    found = facts_of(CALLS)
    assert [(m.line, m.kind, m.variable) for m in found.models] == [
        (8, "pretrained", "model"),
        (9, "method", "second"),
        (10, "library", "third"),
        (11, "library", "fourth"),
        (12, "library", "pipe"),
        (15, "weights", "third"),
        (20, "conversion", "fifth"),
    ]
    assert [(d.line, d.dtype, d.how) for d in found.dtypes] == [
        (7, "bfloat16", "argument"),
        (8, "float16", "argument"),
        (9, "bfloat16", "method"),
        (12, "auto", "argument"),
        (16, "float16", "method"),
        (17, "float64", "default"),
        (18, "float16", "autocast"),
        (20, "qint8", "argument"),
    ]
    assert [(c.line, c.library, c.action, c.variable) for c in found.conversions] == [
        (7, "bitsandbytes", "configure", None),
        (13, "quanto", "quantize", "model"),
        (14, "quanto", "freeze", "model"),
        (20, "torch.ao", "quantize", "third"),
        (21, "torch.ao", "configure", "third"),
        (21, "torch.ao", "configure", None),
        (22, "prune", "prune", "third.fc"),
    ]


def test_columns_count_characters() -> None:
    found = facts_of('import torch.nn as nn\nname = "Größe🔥"; net = nn.Linear(1, 2)\n')
    (layer,) = found.layers
    assert 'name = "Größe🔥"; net = nn.Linear(1, 2)'[layer.column - 1 :].startswith("nn.Linear")


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.stem)
def test_layers_of_real_files_are_those_that_the_syntax_tree_shows(path: Path) -> None:
    """Each `nn.X(...)` and each construction of a local Module class under a method is found, at its line."""
    text = path.read_text()
    expected = {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("nn.Linear", "nn.Embedding", "nn.Dropout", "nn.ModuleList")
    }
    found = {layer.line for layer in facts(read(path)).layers}
    assert expected and expected <= found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_edits_of_real_files_never_raise(data: st.DataObject) -> None:
    """Lines removed, doubled, cut and joined at random: facts and slices still end, with an answer or a
    problem."""
    lines = data.draw(st.sampled_from(TEXTS)).split("\n")
    start = data.draw(st.integers(0, len(lines) - 1))
    part = lines[start : start + data.draw(st.integers(5, 120))]
    for _ in range(data.draw(st.integers(0, 4))):
        where = data.draw(st.integers(0, len(part) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "cut", "dedent"]))
        line = part[where]
        edited = {
            "drop": "",
            "double": line + "\n" + line,
            "cut": line[: len(line) // 2],
            "dedent": line.strip(),
        }
        part[where] = edited[kind]
    program = program_of("from torch import nn\n" + "\n".join(part), SAMPLE[0])
    assert isinstance(facts(program), Facts)
    try:
        found = slices(program)
    except BitlensError:
        return
    for one in found:
        compile(one.text, one.file, "exec")


TEXTS = [path.read_text() for path in SAMPLE] + [
    path.read_text() for path in sorted((Path(__file__).parents[1] / "fixtures" / "slices").glob("*.py"))
] * 2

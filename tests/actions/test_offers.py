"""Where nothing is offered, since the program would no longer run: torch and quanto themselves say so."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from bitlens.actions import Span, applied, offers
from bitlens.analysis import Analysis
from optimum.quanto import QLinear, freeze, quantize

HEAD = "import torch\nfrom torch import nn\nfrom transformers import AutoModel\n"
NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x)


"""
WORDS = NET.replace("self.fc = ", "self.embed = nn.Embedding(8, 4)\n        self.fc = ").replace(
    "(x)\n", "(self.embed(x))\n"
)
CALL = "answer = model(torch.ones(1, 4))\n"


def ids(text: str, marker: str) -> set[str]:
    """What is offered on the line that holds `marker`."""
    line = next(number for number, one in enumerate(text.splitlines(), 1) if marker in one)
    return {offer.id for offer in offers(Analysis(Path("any.py").absolute(), text), Span(line, 8, line, 8))}


def titles(text: str, line: int, id: str) -> list[str]:
    """Of the offers with this id on a line."""
    found = offers(Analysis(Path("any.py").absolute(), text), Span(line, 8, line, 8))
    return [offer.title for offer in found if offer.id == id]


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(text, names)
    return names


def test_float_inputs_do_not_fit_a_model_of_another_dtype() -> None:
    text = f"{HEAD}{NET}model = Net()\n"
    assert "dtype.bfloat16" in ids(text, "model =")
    assert "dtype.bfloat16" not in ids(text + CALL, "model =")
    with pytest.raises(RuntimeError, match="dtype"):
        run(text.replace("Net()\n", "Net().to(torch.bfloat16)\n") + CALL)


@pytest.mark.parametrize(
    "program",
    [
        "def predict(x):\n    return model(x)\n\n\nmodel = Net()\n@predict(torch.ones(1, 4))\n",
        "class Service:\n    def run(self, x):\n        return model(x)\n\n\n"
        "model = Net()\n@Service().run(torch.ones(1, 4))\n",
        "def load():\n    global model\n    model = Net()\n\n\nload()\n@model(torch.ones(1, 4))\n",
        "model = student = Net()\n@student(torch.ones(1, 4))\n",
    ],
)
def test_a_model_that_a_function_or_another_name_runs_is_used(program: str) -> None:
    made, run_it = (HEAD + NET + program).split("@")
    assert "dtype.bfloat16" not in ids(made + run_it, "model =")
    with pytest.raises(RuntimeError, match="dtype"):
        run(made.replace("= Net()", "= Net().to(torch.bfloat16)") + run_it)


def test_a_function_with_a_model_of_its_own_does_not_use_another_one() -> None:
    text = f"{HEAD}{NET}def train(model, x):\n    return model(x)\n\n\nmodel = Net()\n"
    assert "dtype.bfloat16" in ids(text, "model =")


def test_token_ids_fit_a_model_of_any_dtype() -> None:
    text = f"{HEAD}{WORDS}model = Net()\nanswer = model(torch.tensor([1, 2]))\n"
    (offer,) = [
        offer
        for offer in offers(Analysis(Path("any.py").absolute(), text), Span(14, 0, 14, 0))
        if offer.id == "dtype.bfloat16"
    ]
    assert run(applied(text, offer.edit()))["answer"].dtype == torch.bfloat16


def test_a_cast_further_down_would_win() -> None:
    text = f"{HEAD}{NET}model = Net()\nmodel.half()\n"
    assert ids(text, "model =") & {"dtype.bfloat16", "dtype.float16"} == set()
    casted = run(text.replace("Net()\n", "Net().to(torch.bfloat16)\n"))["model"]
    assert casted.fc.weight.dtype == torch.float16


def test_only_transformers_loaders_take_a_dtype() -> None:
    loader = "    @classmethod\n    def from_pretrained(cls, name):\n        return cls()\n\n"
    text = f"{HEAD}{WORDS}{loader}model = Net.from_pretrained('tiny')\nanswer = model(torch.tensor([1]))\n"
    assert not any(id.startswith("dtype") for id in ids(text, "model ="))
    with pytest.raises(TypeError, match="dtype"):
        run(text.replace("'tiny'", "'tiny', dtype=torch.bfloat16"))


def test_a_layer_with_a_forward_of_its_own_is_not_replaced() -> None:
    own = "class Doubled(nn.Linear):\n    def forward(self, x):\n        return 2 * super().forward(x)\n\n\n"
    text = f"{HEAD}{own}model = nn.Sequential(Doubled(4, 2), nn.ReLU())\n"
    assert not any(id.startswith("quantize") for id in ids(text, "model ="))
    assert "quantize.qint8" in ids(text.replace("(nn.Linear)", "(nn.Module)"), "model =")
    model = run(text)["model"]
    quantize(model, weights="qint8")
    assert type(model[0]) is QLinear


@pytest.mark.parametrize(
    "changes",
    [
        "nn.init.constant_(model.fc.weight, 0.5)\n",
        "for m in model.modules():\n    if hasattr(m, 'weight'):\n        nn.init.constant_(m.weight, 0.5)\n",
        "for name, p in model.named_parameters():\n    p.data = torch.full_like(p, 0.5)\n",
        "with torch.no_grad():\n    for p in model.parameters():\n        p.copy_(torch.full_like(p, 0.5))\n",
    ],
)
def test_weights_are_set_before_they_are_quantized(changes: str) -> None:
    text = f"{HEAD}{NET}model = Net()\n{changes}{CALL}"
    found = offers(Analysis(Path("any.py").absolute(), text), Span(13, 0, 13, 0))
    (offer,) = [offer for offer in found if offer.id == "quantize.qint8"]
    weight = run(applied(text, offer.edit()))["model"].fc.weight
    assert torch.allclose(weight.dequantize(), torch.full((2, 4), 0.5), rtol=0.01)


def test_what_a_function_quantizes_and_freezes_is_quantized() -> None:
    body = "quantize(m, weights=qint4)\n    freeze(m)\n"
    quantizing = f"from optimum.quanto import freeze, qint4, qint8, quantize\ndef small(m):\n    {body}"
    text = f"{HEAD}{NET}{quantizing}model = Net()\nsmall(model)\n"
    assert not ids(text, "model =")
    twice = text.replace("small(model)", "quantize(model, weights=qint8)\nfreeze(model)\nsmall(model)")
    assert run(text)["model"].fc.weight.qtype.name == "qint4"
    assert run(twice)["model"].fc.weight.qtype.name == "qint8"


def test_a_layer_of_bitsandbytes_is_quantized_already() -> None:
    text = f"{HEAD}import bitsandbytes as bnb\nmodel = nn.Sequential(bnb.nn.Linear4bit(64, 64)).to('cpu')\n"
    assert not any(id.startswith("quantize") for id in ids(text, "model ="))
    with pytest.raises(RuntimeError, match="require gradients"):
        quantize(run(text)["model"], weights="qint8")


def test_quanto_gives_back_what_cannot_be_changed_in_place() -> None:
    parts = "nn.Linear(4, 2, bias=False), nn.ReLU(inplace=True)"
    text = f"{HEAD}model = nn.Sequential({parts})\n"
    assert not any(id.startswith("quantize") for id in ids(text, "model ="))
    assert "quantize.qint8" in ids(text.replace("inplace=True", ""), "model =")
    model = run(text)["model"]
    quantize(model, weights="qint8")
    freeze(model)
    with pytest.raises(RuntimeError, match="modified inplace"):
        model(torch.ones(1, 4))


def test_a_part_of_a_module_is_no_whole_model() -> None:
    text = f"{HEAD}{NET}class Outer(nn.Module):\n    def __init__(self):\n        part = Net()\n"
    assert ids(text, "part =") == set()
    assert ids(f"{HEAD}{NET}model = nn.Sequential(Net())\nmodel[0].part = Net()\n", ".part =") == set()


def test_layers_of_one_line_are_told_apart() -> None:
    line = "self.mlp = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))"
    text = f"{HEAD}{NET.replace('self.fc =', line + chr(10) + '        self.fc =')}model = Net()\n"
    found = offers(Analysis(Path("any.py").absolute(), text), Span(7, 8, 7, 8))
    freezing = {offer.title: offer for offer in found if offer.id == "freeze-layer"}
    assert list(freezing) == [f"Freeze `self.mlp.{item}` for training" for item in (0, 2)]
    model = run(applied(text, freezing["Freeze `self.mlp.2` for training"].edit()))["model"]
    assert not any(p.requires_grad for p in model.get_submodule("mlp.2").parameters())
    assert all(p.requires_grad for p in model.get_submodule("mlp.0").parameters())


def test_all_of_a_model_is_not_frozen() -> None:
    text = f"{HEAD}{NET}model = Net()\n{CALL}answer.sum().backward()\n"
    assert "freeze-layer" not in ids(text, "self.fc =")
    assert "freeze-layer" in ids(f"{HEAD}{WORDS}model = Net()\n", "self.fc =")
    with pytest.raises(RuntimeError, match="does not require grad"):
        run(text.replace("Linear(4, 2)", "Linear(4, 2).requires_grad_(False)"))


def test_a_class_of_the_standard_library_is_no_model() -> None:
    text = "from types import SimpleNamespace\nconfig = SimpleNamespace(width=4)\n"
    assert ids(text, "config =") == set()


@pytest.mark.parametrize(
    "text",
    [
        "import flax.linen as nn\nclass Net(nn.Module):\n    size: int\nmodel = Net(3)\n",
        "from keras.models import Sequential\nmodel = Sequential()\n",
        "from sklearn.neural_network import MLPClassifier\nmodel = MLPClassifier()\n",
        "from transformers import TFAutoModel\nmodel = TFAutoModel.from_pretrained('bert')\n",
    ],
)
def test_models_of_other_frameworks_are_no_modules(text: str) -> None:
    assert ids(text, "model =") == set()


def test_a_pipeline_of_diffusers_is_no_module_but_takes_a_dtype() -> None:
    text = "from diffusers import FluxPipeline\nmodel = FluxPipeline.from_pretrained('flux')\n"
    assert ids(text, "model =") == {"dtype.bfloat16", "dtype.float16"}


def test_models_of_one_name_are_told_apart() -> None:
    """A client asks for an edit by its title."""
    makers = "".join(f"def {n}():\n    model = Net()\n    return model\n\n\n" for n in ("small", "large"))
    text = f"{HEAD}{NET}{makers}"
    expected = [f"Quantize only `fc` of `model` to int8 (line {line})" for line in (14, 19)]
    assert titles(text, 7, "quantize-layer.qint8") == expected


def test_quantizations_of_one_name_are_told_apart() -> None:
    one = "model = Net()\nquantize(model, weights=qint8)\n"
    text = f"{HEAD}from optimum.quanto import qint8, quantize\n{NET}{one}{one}"
    expected = [f"Exclude `fc` from the quantization of `model` (line {line})" for line in (15, 17)]
    assert titles(text, 8, "exclude") == expected


def test_a_title_tells_how_many_layers_are_quantized() -> None:
    line = "self.fc = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))"
    text = f"{HEAD}{NET.replace('self.fc = nn.Linear(4, 2)', line)}model = Net()\n"
    found = offers(Analysis(Path("any.py").absolute(), text), Span(7, 8, 7, 8))
    (offer,) = [offer for offer in found if offer.id == "quantize-layer.qint8"]
    assert offer.title == "Quantize only `fc.0` and 1 more of `model` to int8"
    model = run(applied(text, offer.edit()))["model"]
    assert [type(layer) for layer in model.fc] == [QLinear, QLinear]


def test_a_wrapped_layer_has_another_path() -> None:
    """quanto leaves what no pattern names without a word."""
    load = "model.module.load_state_dict(Net().state_dict())\n"
    quantized = "quantize(model, weights=qint8)\n"
    text = f"{HEAD}from optimum.quanto import qint8, quantize\n{NET}model = Net()\n"
    wrapped = f"{text}model = nn.DataParallel(model)\n"
    assert "quantize-layer.qint8" in ids(text + load, "self.fc =")
    assert "quantize-layer.qint8" not in ids(wrapped + load, "self.fc =")
    assert "exclude" in ids(text + quantized, "self.fc =")
    assert "exclude" not in ids(wrapped + quantized, "self.fc =")
    model = run(wrapped + quantized.replace("qint8)", "qint8, exclude='fc')"))["model"]
    assert type(model.module.fc) is QLinear


@pytest.mark.parametrize("same", ["{}.to('cpu').eval()", "Net()"])
def test_a_layer_of_the_same_model_has_its_path(same: str) -> None:
    head = f"{HEAD}from optimum.quanto import qint8, quantize\n{NET}"
    plain = f"model = Net()\nmodel = {same.format('model')}\nquantize(model, weights=qint8)\n"
    assert "exclude" in ids(head + plain, "self.fc =")
    inside = plain.replace("model", "self.model").replace("\n", "\n        ")
    assert "exclude" in ids(f"{head}class T:\n    def __init__(self):\n        {inside}pass\n", "self.fc =")


@pytest.mark.parametrize(
    "text",
    [
        "def wrap(m, n):\n    return wrap(m, n - 1)\nm = nn.Linear(2, 2)\nwrapped = wrap(m, 3)\n",
        "def one(m):\n    return two(m)\ndef two(m):\n    return one(m)\nwrapped = one(nn.Linear(2, 2))\n",
        "class A:\n    def make(self):\n        return self.make()\n"
        "    def run(self):\n        net = self.make()\n",
    ],
)
def test_functions_that_call_themselves(text: str) -> None:
    text = HEAD + text
    for line in range(1, text.count("\n") + 1):
        list(offers(Analysis(Path("any.py").absolute(), text), Span(line, 0, line, 80)))


def test_a_stand_in_for_torch_is_not_imported_over() -> None:
    text = "from lazy import Lazy\nfrom torch import nn\ntorch = Lazy('torch')\nmodel = nn.Sequential()\n"
    analysis = Analysis(Path("any.py").absolute(), text)
    (offer,) = [o for o in offers(analysis, Span(4, 0, 4, 0)) if o.id == "dtype.bfloat16"]
    assert applied(text, offer.edit()).endswith("model = nn.Sequential().to(torch.bfloat16)\n")
    assert "import torch\n" not in applied(text, offer.edit())


@pytest.mark.parametrize(
    ("guard", "program"),
    [
        ("TYPE_CHECKING", "model = nn.Sequential(nn.Linear(4, 2))\n"),
        ("[]", "model = nn.Sequential(nn.Linear(4, 2))\n"),
        (
            "TYPE_CHECKING",
            "def build():\n    model = nn.Sequential(nn.Linear(4, 2))\n    return model\nbuild()\n",
        ),
    ],
)
def test_what_is_imported_only_sometimes_is_imported(guard: str, program: str) -> None:
    imports = "import torch\n    from optimum.quanto import freeze, qint8, quantize\n"
    text = f"from typing import TYPE_CHECKING\nfrom torch import nn\nif {guard}:\n    {imports}{program}"
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "model = " in one)
    made = offers(Analysis(Path("any.py").absolute(), text), Span(line, 8, line, 8))
    assert {"quantize.qint8"} <= {offer.id for offer in made}
    for offer in made:
        run(applied(text, offer.edit()))


def test_what_is_imported_further_down_is_imported() -> None:
    text = "from torch import nn\nmodel = nn.Sequential()\nif model:\n    import torch\n"
    analysis = Analysis(Path("any.py").absolute(), text)
    (offer,) = [o for o in offers(analysis, Span(2, 0, 2, 0)) if o.id == "dtype.bfloat16"]
    run(applied(text, offer.edit()))


def test_what_a_model_is_given_to_does_not_change_it() -> None:
    """A pipeline is loaded around it, which is then used."""
    text = (
        "from diffusers import ControlNetModel, FluxPipeline\n"
        "net = ControlNetModel.from_pretrained('net')\n"
        "pipe = FluxPipeline.from_pretrained('flux', controlnet=net)\n"
    )
    analysis = Analysis(Path("any.py").absolute(), text)
    (offer,) = [o for o in offers(analysis, Span(2, 0, 2, 0)) if o.id == "quantize.qint8"]
    after = applied(text, offer.edit())
    assert after.index("freeze(net)") < after.index("pipe =")

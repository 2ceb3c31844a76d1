"""Whole models: our bytes and error against what optimum-quanto really made, taken apart by tensor."""

from __future__ import annotations

import copy

import pytest
import torch
from backends import models
from backends.models import compare
from bitlens import backends, schemes
from bitlens.worker.measure import Measurer
from schemes.quanto_unpacking import unpacking_without_compiler  # noqa: F401
from torch import nn

quanto = pytest.importorskip("optimum.quanto")
pytestmark = [
    pytest.mark.usefixtures("unpacking_without_compiler"),
    # HqqOptimizer reads the mean of a weight that requires a gradient.
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning"),
]


def converted(model: nn.Module, scheme_id: str) -> nn.Module:
    model = copy.deepcopy(model)
    exec(backends.get("quanto").snippet(schemes.get(scheme_id)), {"model": model})
    return model


def check(model: nn.Module, scheme_id: str) -> None:
    compare(model, converted(model, scheme_id), scheme_id)


@pytest.mark.parametrize("scheme_id", ["quanto.qint8", "quanto.qint4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("build", models.RANDOM, ids=lambda build: build.__name__)
def test_a_model_of_each_kind(build, dtype: torch.dtype, scheme_id: str) -> None:
    torch.manual_seed(0)
    check(build().to(dtype), scheme_id)


@pytest.mark.parametrize("scheme_id", ["quanto.qint2", "quanto.qfloat8", "quanto.qint4_hqq"])
@pytest.mark.parametrize("build", [models.llama, models.gpt2, models.t5], ids=lambda build: build.__name__)
def test_the_other_formats(build, scheme_id: str) -> None:
    torch.manual_seed(0)
    check(build(), scheme_id)


@pytest.mark.parametrize("scheme_id", ["quanto.qint8", "quanto.qint4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_real_checkpoint(dtype: torch.dtype, scheme_id: str) -> None:
    check(models.minilm().to(dtype), scheme_id)


def test_what_is_left_alone_says_why() -> None:
    measurer = Measurer(["quanto.qint4"])
    results = {
        facts.path: measurer.layer(facts, tensors)["quanto.qint4"]
        for facts, tensors in models.layers(models.cnn().bfloat16())
    }
    assert not results["1"]["converted"] and "BatchNorm2d" in results["1"]["note"]
    assert not results["4"]["converted"] and "ConvTranspose2d" in results["4"]["note"]
    assert results["0"]["converted"] and results["0"]["note"] is None


def test_a_bare_layer_is_not_converted_since_the_library_destroys_it() -> None:
    layer = nn.Linear(8, 8)
    quanto.quantize(layer, weights="qint8")
    assert layer.weight is None
    facts, tensors = next(models.layers(nn.Linear(8, 8)))
    assert not Measurer(["quanto.qint8"]).layer(facts, tensors)["quanto.qint8"]["converted"]

"""Whole models: our bytes and error against what optimum-quanto really made, taken apart by tensor."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from backends import models
from bitlens.worker.measure import Measurer
from schemes.quanto_unpacking import unpacking_without_compiler  # noqa: F401
from schemes.weights import stored_bytes
from torch import nn

quanto = pytest.importorskip("optimum.quanto")
pytestmark = pytest.mark.usefixtures("unpacking_without_compiler")


def converted(model: nn.Module, scheme_id: str) -> nn.Module:
    model = copy.deepcopy(model)
    quanto.quantize(model, weights=scheme_id.split(".")[1])
    quanto.freeze(model)
    return model


def weight_error(before: nn.Module, after: nn.Module) -> float:
    """The error over the weights that the library converted, in float64."""
    error = norm = 0.0
    for path, module in after.named_modules():
        if isinstance(module, quanto.nn.QModuleMixin):
            weight = before.get_submodule(path).weight.detach().double()
            error += float((module.weight.dequantize().detach().double() - weight).square().sum())
            norm += float(weight.square().sum())
    return math.sqrt(error / norm)


def check(model: nn.Module, scheme_id: str) -> None:
    after = converted(model, scheme_id)
    measurer, shapes = Measurer([scheme_id]), Measurer([scheme_id])
    layers = [measurer.layer(facts, tensors)[scheme_id] for facts, tensors in models.layers(model)]
    for facts, _ in models.layers(model):
        shapes.layer(facts, None)
    total = measurer.totals()[scheme_id]
    assert total["bytes"] == sum(stored_bytes(p.data) for p in after.parameters())
    assert total["buffer_bytes"] == sum(stored_bytes(b) for b in after.buffers())
    assert total["relative_error"] == pytest.approx(weight_error(model, after), rel=1e-5)
    assert total["bytes"] == sum(layer["bytes"] for layer in layers) == shapes.totals()[scheme_id]["bytes"]
    assert shapes.totals()[scheme_id]["relative_error"] is None


@pytest.mark.parametrize("scheme_id", ["quanto.qint8", "quanto.qint4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("build", models.RANDOM, ids=lambda build: build.__name__)
def test_a_model_of_each_kind(build, dtype: torch.dtype, scheme_id: str) -> None:
    torch.manual_seed(0)
    check(build().to(dtype), scheme_id)


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

"""Whole models against `model.to(dtype)`."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from backends import models
from bitlens.worker.measure import Measurer
from torch import nn

DTYPES = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


def stored(tensors) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def check(model: nn.Module, dtype: str) -> None:
    after = copy.deepcopy(model).to(getattr(torch, dtype))
    measurer = Measurer([dtype])
    layers = [measurer.layer(facts, tensors)[dtype] for facts, tensors in models.layers(model)]
    total = measurer.totals()[dtype]
    assert total["bytes"] == stored(after.parameters()) == sum(layer["bytes"] for layer in layers)
    assert total["buffer_bytes"] == stored(after.buffers()) == sum(layer["buffer_bytes"] for layer in layers)
    pairs = [
        (b.detach().double(), a.detach().double())
        for b, a in zip(model.parameters(), after.parameters(), strict=True)
    ]
    norm = sum(float(before.square().sum()) for before, _ in pairs)
    error = sum(float((after - before).square().sum()) for before, after in pairs)
    assert total["relative_error"] == pytest.approx(math.sqrt(error / norm), rel=1e-5)
    assert total["underflow"] == sum(int(((b != 0) & (a == 0)).sum()) for b, a in pairs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("build", models.RANDOM, ids=lambda build: build.__name__)
def test_a_model_of_each_kind(build, dtype: str) -> None:
    torch.manual_seed(0)
    check(build(), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_real_checkpoint(dtype: str) -> None:
    check(models.minilm(), dtype)


def test_integers_stay_and_are_no_reason_for_alarm() -> None:
    facts, tensors = next(models.layers(nn.BatchNorm1d(4)))
    result = Measurer(["bfloat16"]).layer(facts, tensors)["bfloat16"]
    assert (result["bytes"], result["buffer_bytes"], result["note"]) == (2 * 4 * 2, 2 * 4 * 2 + 8, None)


def test_a_buffer_that_overflows_is_named_and_does_not_spoil_the_error() -> None:
    layer = nn.Linear(4, 4)
    layer.register_buffer("mask", torch.full((4,), torch.finfo(torch.float32).min))
    facts, tensors = next(models.layers(layer))
    result = Measurer(["float16"]).layer(facts, tensors)["float16"]
    assert result["overflow"] == 0
    assert 0 < result["relative_error"] < 1e-3
    assert result["note"] == "mask: 4 finite values become inf or NaN"

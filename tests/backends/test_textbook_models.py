"""The textbook's filter: every floating matrix, whichever module owns it, with its output channels found."""

from __future__ import annotations

import pytest
import torch
from backends import models
from bitlens.worker.measure import Measurer
from torch import nn


def of(layer: nn.Module, scheme: str) -> dict:
    facts, tensors = next(models.layers(layer))
    return Measurer([scheme]).layer(facts, tensors)[scheme]


def test_embeddings_and_fused_experts_are_quantized_and_ties_kept() -> None:
    for build in models.RANDOM:
        model, measurer = build(), Measurer(["int8.symmetric.tensor"])
        for facts, tensors in models.layers(model):
            measurer.layer(facts, tensors)
        expected = sum(p.numel() + 4 if p.ndim >= 2 else 4 * p.numel() for p in model.parameters())
        assert measurer.totals()["int8.symmetric.tensor"]["bytes"] == expected


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(3, 5, 2), models.gpt2().transformer.h[0].mlp.c_fc])
def test_the_second_axis_is_the_output_of_transposed_layers(layer: nn.Module) -> None:
    result, bias = of(layer, "int8.symmetric.channel"), layer.bias.numel()
    weight = layer.weight.detach().movedim(1, 0).reshape(bias, -1)
    scale = weight.abs().amax(1, keepdim=True) / 127
    error = (torch.round(weight * (1 / scale)) * scale - weight).norm() / weight.norm()
    assert result["bytes"] == layer.weight.numel() + 4 * bias + 4 * bias
    assert result["relative_error"] == pytest.approx(float(error), rel=1e-5)


def test_a_weight_that_is_no_float_is_left_alone() -> None:
    layer = nn.Module()
    layer.weight = nn.Parameter(torch.zeros(4, 4, dtype=torch.int8), requires_grad=False)
    result = of(layer, "int8.symmetric.tensor")
    assert (result["converted"], result["bytes"], result["relative_error"]) == (False, 16, None)
    assert "int8" in result["note"]

"""A program that quantizes: what is stored is what the library stores, the errors are those that it made."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from bitlens.collect import Collector
from bitlens.measurement import Model
from bitlens.worker import live, trace
from bitlens.worker.loads import Loads
from bitlens.worker.stream import Stream
from bitlens.worker.wire import Job
from optimum.quanto import freeze, qint8, quantize
from torch import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(96, 64)
        self.second = nn.Linear(64, 40, bias=False)
        self.norm = nn.LayerNorm(40)


LINES = Net.__init__.__code__.co_firstlineno + 2


def measured(model: nn.Module, seen: trace.Constructions) -> Model:
    collector = Collector()
    stream = Stream(Job("program", ("quanto.qint8", "int8.symmetric.tensor"), name="m"), collector.take)
    live.measure(model, stream, seen, Loads(), "cpu")
    result = collector.model()
    assert result is not None
    return result


def test_quanto_layers_store_and_lose_what_the_library_says() -> None:
    with trace.constructions() as seen:
        model = Net()
        floats = copy.deepcopy(model)
        quantize(model, weights=qint8)
        freeze(model)
    found = measured(model, seen)
    assert [layer.dtype for layer in found.layers] == ["qint8", "qint8", "float32"]
    assert [layer.line for layer in found.layers] == [LINES, LINES + 1, LINES + 2]
    for name, layer in zip(("first", "second"), found.layers, strict=False):
        weight: Any = getattr(model, name).weight
        before = getattr(floats, name).weight
        result = layer.schemes["quanto.qint8"]
        error = (weight.dequantize() - before).norm() / before.norm()
        assert result.relative_error == pytest.approx(error.item(), rel=1e-5)
        assert layer.bytes == result.bytes
        assert layer.bytes < before.numel() * 1.2 + 4 * 64
    assert found.schemes["quanto.qint8"].bytes == found.bytes
    assert found.schemes["quanto.qint8"].buffer_bytes == found.buffer_bytes


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # torch.ao calls it itself
@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
def test_dynamic_int8_keeps_the_line_and_counts_the_packed_weight_once() -> None:
    with trace.constructions() as seen:
        model = Net()
        packed = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    found = measured(packed, seen)
    first = found.layers[0]
    assert (first.path, first.dtype, first.line) == ("first", "qint8", LINES)
    weight = packed.first.weight()
    assert first.bytes == weight.numel() + 16 + packed.first.bias().numel() * 4
    assert found.parameters == 96 * 64 + 64 + 64 * 40 + 80
    before = model.first.weight
    expected = torch.fake_quantize_per_tensor_affine(before, before.abs().max().item() / 127, 0, -127, 127)
    error = (expected - before).norm() / before.norm()
    assert first.schemes["int8.symmetric.tensor"].relative_error == pytest.approx(error.item(), rel=1e-4)

"""The spread of a layer's weights, against numpy's histogram."""

from __future__ import annotations

import numpy
import pytest
import torch
from bitlens.worker.histogram import BINS, MOST_ELEMENTS, histogram


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_counts_are_numpys(dtype: torch.dtype) -> None:
    weight = torch.randn(37, 53, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = histogram(weight)
    counts, edges = numpy.histogram(weight.to(torch.float32).numpy(), BINS)
    assert found is not None
    # Values on an edge may fall to either side: the edges are computed in float32 and float64.
    assert abs(numpy.array(found["counts"]) - counts).sum() <= 4
    assert sum(found["counts"]) == weight.numel()
    assert (found["low"], found["high"]) == pytest.approx((edges[0], edges[-1]))


def test_what_is_not_finite_is_left_out() -> None:
    assert histogram(torch.tensor([1.0, float("nan"), float("inf"), 3.0])) == {
        "low": 1.0,
        "high": 3.0,
        "counts": [1, *[0] * (BINS - 2), 1],
    }
    assert histogram(torch.tensor([float("nan")])) is None
    assert histogram(torch.zeros(0, 4)) is None


def test_equal_values_are_one_step() -> None:
    assert histogram(torch.ones(5)) == {"low": 1.0, "high": 1.0, "counts": [5]}


def test_of_a_large_tensor_evenly_spaced_values_are_counted() -> None:
    found = histogram(torch.arange(4.0 * MOST_ELEMENTS))
    assert found is not None
    assert sum(found["counts"]) == MOST_ELEMENTS
    assert max(found["counts"]) - min(found["counts"]) <= 2


def test_a_quantized_tensor_counts_as_what_it_stands_for() -> None:
    """torchao's tensors take no `view`; codes in a plain tensor stand for nothing known."""
    quantization = pytest.importorskip("torchao.quantization")
    model = torch.nn.Sequential(torch.nn.Linear(64, 32))
    quantization.quantize_(model, quantization.Int8WeightOnlyConfig())
    weight = model[0].weight
    assert histogram(weight) == histogram(weight.dequantize())
    assert histogram(torch.ones(4, dtype=torch.uint8)) is None

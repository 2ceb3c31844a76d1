"""Our arithmetic against hqq's own quantizer on the CPU."""

from __future__ import annotations

import pytest
import torch
from bitlens import schemes
from hypothesis import assume, given, settings
from schemes.weights import assert_same, round_trip, weights

quantize = pytest.importorskip("hqq.core.quantize")


@pytest.mark.parametrize("bits", [4, 3, 2])
@settings(max_examples=30, deadline=None)
@given(weight=weights(conv=False))
def test_values_and_bytes_are_the_library_s(bits: int, weight: torch.Tensor) -> None:
    scheme = schemes.get(f"hqq.int{bits}_g64")
    assume(weight.isfinite().all())
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    linear.weight = torch.nn.Parameter(weight.clone())
    config = quantize.BaseQuantizeConfig(nbits=bits, group_size=64)
    if scheme.refuses(weight.shape, "float32") is not None:
        with pytest.raises((AssertionError, RuntimeError)):
            quantize.HQQLinear(linear, config, device="cpu").dequantize()
        return
    layer = quantize.HQQLinear(linear, config, device="cpu")
    layer.cuda("cpu")
    kept = [layer.W_q, layer.meta["scale"], layer.meta["zero"]]
    assert scheme.stored_bytes(weight.shape, "float32") == sum(t.numel() * t.element_size() for t in kept)
    assert_same(round_trip(scheme.id, weight), layer.dequantize())
    assert_same(round_trip(scheme.id, weight, chunk_elements=200), layer.dequantize())


@pytest.mark.parametrize("bits", [4, 3, 2])
def test_a_large_weight_is_improved_as_a_whole(bits: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(512, 384) * 0.05
    linear = torch.nn.Linear(384, 512, bias=False)
    linear.weight = torch.nn.Parameter(weight.clone())
    layer = quantize.HQQLinear(linear, quantize.BaseQuantizeConfig(nbits=bits, group_size=64), device="cpu")
    layer.cuda("cpu")
    assert_same(round_trip(f"hqq.int{bits}_g64", weight), layer.dequantize())

"""Textbook int8 against torch's fake quantization of the same scale and zero point."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from schemes.weights import assert_same, round_trip, weights


def range_of(weight: torch.Tensor, channels: bool) -> tuple[torch.Tensor, torch.Tensor]:
    rows = weight.reshape(weight.shape[0], -1) if channels else weight.reshape(1, -1)
    return rows.amin(1), rows.amax(1)


def fake_quantized(weight: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, low: int) -> torch.Tensor:
    """torch's own round trip; a scale of 0 (nothing but zeros) is replaced, since torch divides by it."""
    scale = torch.where(scale == 0, 1.0, scale)
    if len(scale) == 1:
        return torch.fake_quantize_per_tensor_affine(weight, float(scale), int(zero), low, 127)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero.int(), 0, low, 127)


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@settings(max_examples=100, deadline=None)
@given(weight=weights())
def test_symmetric(granularity: str, weight: torch.Tensor) -> None:
    weight = weight.float()
    low, high = range_of(weight, granularity == "channel")
    scale = torch.maximum(-low, high) / 127
    assume(scale.isfinite().all() and not ((scale > 0) & (scale < 1e-36)).any())
    expected = fake_quantized(weight, scale, torch.zeros_like(scale), -127)
    assert_same(round_trip(f"int8.symmetric.{granularity}", weight), expected)
    assert_same(round_trip(f"int8.symmetric.{granularity}", weight, chunk_elements=50), expected)


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@settings(max_examples=100, deadline=None)
@given(weight=weights())
def test_asymmetric(granularity: str, weight: torch.Tensor) -> None:
    weight = weight.float()
    low, high = (
        edge.clamp(max=0) if i == 0 else edge.clamp(min=0)
        for i, edge in enumerate(range_of(weight, granularity == "channel"))
    )
    scale = (high - low) / 255
    assume(scale.isfinite().all() and not ((scale > 0) & (scale < 1e-36)).any())
    zero = torch.round(-128 - low / torch.where(scale == 0, 1.0, scale))
    expected = fake_quantized(weight, scale, zero, -128)
    assert_same(round_trip(f"int8.asymmetric.{granularity}", weight), expected)
    assert_same(round_trip(f"int8.asymmetric.{granularity}", weight, chunk_elements=50), expected)

"""Textbook integers against torch's fake quantization with the same scale and zero point."""

from __future__ import annotations

import pytest
import torch
from bitlens import schemes
from hypothesis import assume, given, settings
from schemes.weights import assert_same, round_trip, weights

TOP = {8: 127, 4: 7}


def has_groups(scheme_id: str, weight: torch.Tensor) -> bool:
    """Whether rows are cut into groups without rest, or need not be."""
    fits = "g128" not in scheme_id or weight[0].numel() % 128 == 0
    assert fits == (schemes.get(scheme_id).refuses(weight.shape, "float32") is None)
    return fits


def blocks_of(weight: torch.Tensor, granularity: str) -> torch.Tensor:
    """The weight as (blocks, elements)."""
    length = {"tensor": weight.numel(), "channel": weight[0].numel(), "g128": 128}[granularity]
    return weight.float().reshape(-1, length)


def check(
    scheme_id: str, weight: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, low: int, top: int
) -> None:
    """Against torch's round trip of the blocks; a scale of 0 (only zeros) is 1, as torch divides by it."""
    assume(scale.isfinite().all() and not ((scale > 0) & (scale < 1e-36)).any())
    scale, zero = torch.where(scale == 0, 1.0, scale), zero.int()
    blocks = blocks_of(weight, scheme_id.split(".")[2])
    expected = torch.fake_quantize_per_channel_affine(blocks, scale, zero, 0, low, top).reshape(weight.shape)
    assert_same(round_trip(scheme_id, weight.float()), expected)
    assert_same(round_trip(scheme_id, weight.float(), chunk_elements=50), expected)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("granularity", ["tensor", "channel", "g128"])
@settings(max_examples=30, deadline=None)
@given(weight=weights())
def test_symmetric(granularity: str, bits: int, weight: torch.Tensor) -> None:
    if not has_groups(f"int{bits}.symmetric.{granularity}", weight):
        return
    scale = blocks_of(weight, granularity).abs().amax(1) / TOP[bits]
    check(f"int{bits}.symmetric.{granularity}", weight, scale, torch.zeros_like(scale), -TOP[bits], TOP[bits])


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("granularity", ["tensor", "channel", "g128"])
@settings(max_examples=30, deadline=None)
@given(weight=weights())
def test_asymmetric(granularity: str, bits: int, weight: torch.Tensor) -> None:
    if not has_groups(f"int{bits}.asymmetric.{granularity}", weight):
        return
    blocks = blocks_of(weight, granularity)
    low, high = blocks.amin(1).clamp(max=0), blocks.amax(1).clamp(min=0)
    scale = (high - low) / (2 * TOP[bits] + 1)
    zero = torch.round(-TOP[bits] - 1 - low / torch.where(scale == 0, 1.0, scale))
    check(f"int{bits}.asymmetric.{granularity}", weight, scale, zero, -TOP[bits] - 1, TOP[bits])

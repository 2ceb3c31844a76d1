"""Our arithmetic against the gguf package's own quantizers (which equal ggml's byte for byte)."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from bitlens import schemes
from hypothesis import assume, given, settings
from schemes.weights import assert_same, round_trip, weights

IDS = ["gguf.q8_0", "gguf.q4_0", "gguf.q4_1", "gguf.q5_0", "gguf.q5_1", "gguf.mxfp4"]


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # scales beyond float16 become inf
@pytest.mark.parametrize("scheme_id", IDS)
@settings(max_examples=80, deadline=None)
@given(weight=weights(conv=False))
def test_values_and_bytes_are_the_library_s(scheme_id: str, weight: torch.Tensor) -> None:
    """Finite weights, since others get no number; no tiny blocks, whose 1 / d overflows in the library."""
    scheme = schemes.get(scheme_id)
    assume(weight.isfinite().all() and (weight.abs().max() > 1e-36))
    kind = gguf.GGMLQuantizationType[scheme_id.split(".")[1].upper()]
    if scheme.refuses(weight.shape, "float32") is not None:
        with pytest.raises(gguf.quants.QuantError):
            gguf.quants.quantize(weight.float().numpy(), kind)
        return
    blocks = weight.float().view(-1, 32)
    assume(not ((blocks.abs().amax(1) < 1e-30) & (blocks != 0).any(1)).any())
    stored = gguf.quants.quantize(weight.float().numpy(), kind)
    assert scheme.stored_bytes(weight.shape, "float32") == stored.nbytes
    with np.errstate(invalid="ignore"):
        expected = torch.from_numpy(gguf.quants.dequantize(stored, kind))
    assert_same(round_trip(scheme_id, weight), expected)
    assert_same(round_trip(scheme_id, weight, chunk_elements=200), expected)


@pytest.mark.parametrize("scheme_id", IDS)
def test_a_greatest_magnitude_with_both_signs_takes_the_sign_of_the_first(scheme_id: str) -> None:
    kind = gguf.GGMLQuantizationType[scheme_id.split(".")[1].upper()]
    weight = torch.linspace(-1, 1, 64).view(2, 32)
    weight[0, 3], weight[0, 9], weight[1, 3], weight[1, 9] = 2, -2, -2, 2
    expected = gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), kind), kind)
    assert_same(round_trip(scheme_id, weight), torch.from_numpy(expected))


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # an exponent that wrapped around
@pytest.mark.parametrize("magnitude", [2.0**-124, 2.0**-125, 1.4e-38, 1e-38, 1e-42, 1e-45])
def test_the_least_exponents_of_mxfp4(magnitude: float) -> None:
    kind = gguf.GGMLQuantizationType.MXFP4
    weight = torch.linspace(-1, 1, 32).mul(magnitude).view(1, 32)
    expected = gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), kind), kind)
    assert_same(round_trip("gguf.mxfp4", weight), torch.from_numpy(expected))

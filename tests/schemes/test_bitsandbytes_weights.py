"""Our arithmetic against bitsandbytes' own CPU code."""

from __future__ import annotations

import pytest
import torch
from bitlens import schemes
from hypothesis import assume, given, settings
from schemes.weights import assert_same, round_trip, weights

bnb = pytest.importorskip("bitsandbytes")
functional = bnb.functional


@pytest.fixture(autouse=True, scope="module")
def eager():
    """bitsandbytes compiles its fallback for odd shapes anew for each shape."""
    with torch.compiler.set_stance("force_eager"):
        yield


FOUR_BIT = [id for id in schemes.all_ids() if id.startswith("bitsandbytes.") and schemes.get(id).bits == 4]


def bytes_of(*tensors: torch.Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@settings(max_examples=80, deadline=None)
@given(weight=weights(conv=False))
def test_llm_int8(weight: torch.Tensor) -> None:
    codes, row_stats, _ = functional.int8_vectorwise_quant(weight.half())
    expected = functional.int8_vectorwise_dequant(codes, row_stats)
    scheme = schemes.get("bitsandbytes.int8")
    assert scheme.stored_bytes(weight.shape, str(weight.dtype)[6:]) == bytes_of(codes, row_stats)
    assert_same(round_trip(scheme.id, weight), expected)


@pytest.mark.parametrize("scheme_id", FOUR_BIT)
@settings(max_examples=50, deadline=None)
@given(weight=weights(conv=False))
def test_four_bits(scheme_id: str, weight: torch.Tensor) -> None:
    """Finite weights, since others get no number; no denormal scales where scales are quantized too."""
    assume(weight.isfinite().all() and (weight.abs().max() > 1e-30 or "double" not in scheme_id))
    kind, _, double = scheme_id.split(".")[1].partition("_")
    codes, state = functional.quantize_4bit(weight, quant_type=kind, compress_statistics=bool(double))
    # For a single row the library returns the transposed weight.
    expected = functional.dequantize_4bit(codes, state).reshape(weight.shape)
    kept = [state.absmax, state.code]
    kept += [state.offset, state.state2.absmax, state.state2.code] if double else []
    scheme = schemes.get(scheme_id)
    assert scheme.stored_bytes(weight.shape, str(weight.dtype)[6:]) == bytes_of(codes, *kept)
    assert_same(round_trip(scheme_id, weight), expected)
    assert_same(round_trip(scheme_id, weight, chunk_elements=200), expected)

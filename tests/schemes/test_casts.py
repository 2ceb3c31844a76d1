"""Casts and their losses against torch's own conversion."""

from __future__ import annotations

import pytest
import torch
from bitlens import schemes
from bitlens.worker.passes import Streamer
from hypothesis import given, settings
from schemes.weights import assert_same, round_trip, weights

CASTS = [id for id in schemes.all_ids() if schemes.get(id).library == "torch"]


@pytest.mark.parametrize("dtype", CASTS)
@settings(max_examples=30, deadline=None)
@given(weight=weights())
def test_a_cast_is_torch_s_cast_and_its_losses_are_counted(dtype: str, weight: torch.Tensor) -> None:
    cast, scheme = weight.to(getattr(torch, dtype)).float(), schemes.get(dtype)
    kept = scheme.keeps(str(weight.dtype)[6:])
    assert_same(weight.float() if kept else round_trip(dtype, weight).float(), cast)
    sums = Streamer(chunk_elements=100).measure(weight, [scheme])[dtype]
    assert not kept or sums.squared_error == sums.max_abs_error == 0
    assert sums.lost == (weight.isfinite() & ~cast.isfinite()).sum()
    assert sums.vanished == ((weight != 0) & (cast == 0)).sum()
    assert sums.nonfinite == (~weight.isfinite()).sum()


@pytest.mark.parametrize("dtype", CASTS)
def test_the_stated_range_is_the_format_s(dtype: str) -> None:
    info, scheme = torch.finfo(getattr(torch, dtype)), schemes.get(dtype)
    assert (scheme.greatest, scheme.least) == (info.max, info.smallest_normal * info.eps)
    assert scheme.bits == info.bits

"""Our arithmetic against torchao's own: the real configuration on a real Linear, dequantized."""

from __future__ import annotations

import pytest
import torch
from bitlens import backends, schemes
from hypothesis import given, settings
from schemes.weights import assert_same, round_trip, stored_bytes, weights

pytest.importorskip("torchao", exc_type=ImportError)

RUNS_HERE = [id for id in schemes.all_ids() if id.startswith("torchao.") and schemes.get(id).caveat is None]


def library(scheme_id: str, weight: torch.Tensor) -> torch.Tensor:
    """The weight that the library's call leaves in the model; the call is the one that we show to users."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    layer.weight = torch.nn.Parameter(weight.clone())
    model = torch.nn.Sequential(layer)
    exec(backends.get("torchao").snippet(schemes.get(scheme_id)), {"model": model})
    return model[0].weight.data


@pytest.mark.parametrize("scheme_id", RUNS_HERE)
@settings(max_examples=50, deadline=None)
@given(weight=weights(conv=False))
def test_values_and_bytes_are_the_library_s(scheme_id: str, weight: torch.Tensor) -> None:
    scheme, dtype = schemes.get(scheme_id), str(weight.dtype)[6:]
    if scheme.refuses(weight.shape, dtype) is not None:
        with pytest.raises((RuntimeError, AssertionError)):
            library(scheme_id, weight)
        return
    converted = library(scheme_id, weight)
    assert scheme.stored_bytes(weight.shape, dtype) == stored_bytes(converted)
    assert_same(round_trip(scheme_id, weight), converted.dequantize())
    assert_same(round_trip(scheme_id, weight, chunk_elements=200), converted.dequantize())

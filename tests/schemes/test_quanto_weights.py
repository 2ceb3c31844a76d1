"""Our arithmetic against optimum-quanto's own: real layers quantized, frozen, dequantized."""

from __future__ import annotations

import pytest
import torch
from bitlens import schemes
from hypothesis import HealthCheck, given, settings
from schemes.quanto_unpacking import unpacking_without_compiler  # noqa: F401
from schemes.weights import assert_same, round_trip, stored_bytes, weights

quanto = pytest.importorskip("optimum.quanto")
pytestmark = pytest.mark.usefixtures("unpacking_without_compiler")


def layer_of(weight: torch.Tensor) -> torch.nn.Module:
    """A Linear or Conv2d that holds this weight."""
    out, inputs, *kernel = weight.shape
    if kernel:
        layer: torch.nn.Module = torch.nn.Conv2d(inputs, out, tuple(kernel), bias=False, dtype=weight.dtype)
    else:
        layer = torch.nn.Linear(inputs, out, bias=False, dtype=weight.dtype)
    layer.weight = torch.nn.Parameter(weight.clone())
    return layer


def library(scheme_id: str, weight: torch.Tensor) -> torch.Tensor:
    """The frozen weight of the real library (a tensor subclass)."""
    model = torch.nn.Sequential(layer_of(weight))
    quanto.quantize(model, weights=scheme_id.split(".")[1])
    quanto.freeze(model)
    return model[0].weight


@pytest.mark.parametrize("scheme_id", [id for id in schemes.all_ids() if id.startswith("quanto.")])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weight=weights())
def test_values_and_bytes_are_the_library_s(scheme_id: str, weight: torch.Tensor) -> None:
    scheme, dtype = schemes.get(scheme_id), str(weight.dtype)[6:]
    if scheme.refuses(weight.shape, dtype) is not None:
        with pytest.raises(RuntimeError, match="dividable by 16"):
            library(scheme_id, weight)
        return
    frozen = library(scheme_id, weight)
    assert scheme.stored_bytes(weight.shape, dtype) == stored_bytes(frozen.data)
    assert_same(round_trip(scheme_id, weight), frozen.dequantize())
    assert_same(round_trip(scheme_id, weight, chunk_elements=200), frozen.dequantize())


def test_a_large_bfloat16_matrix_takes_the_tinygemm_packing() -> None:
    torch.manual_seed(0)
    weight = torch.randn(512, 384).bfloat16()
    frozen = library("quanto.qint4", weight)
    assert type(frozen.data).__name__ == "TinyGemmWeightQBitsTensor"
    assert_same(round_trip("quanto.qint4", weight), frozen.dequantize())

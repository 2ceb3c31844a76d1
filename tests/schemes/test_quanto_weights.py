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
    layer.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)
    return layer


def library(scheme_id: str, weight: torch.Tensor) -> torch.Tensor:
    """The frozen weight of the real library (a tensor subclass)."""
    model = torch.nn.Sequential(layer_of(weight))
    qtype = scheme_id.split(".")[1].removesuffix("_hqq")
    quanto.quantize(model, weights=qtype, optimizer=quanto.HqqOptimizer() if "_hqq" in scheme_id else None)
    quanto.freeze(model)
    return model[0].weight


@pytest.mark.parametrize("scheme_id", [id for id in schemes.all_ids() if id.startswith("quanto.")])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weight=weights())
def test_values_and_bytes_are_the_library_s(scheme_id: str, weight: torch.Tensor) -> None:
    scheme, dtype = schemes.get(scheme_id), str(weight.dtype)[6:]
    if scheme.refuses(weight.shape, dtype) is not None:
        with pytest.raises((RuntimeError, ValueError), match=r"dividable by 16|axis parameter"):
            library(scheme_id, weight)
        return
    frozen = library(scheme_id, weight)
    kept_first_shifts = (
        "_hqq" in scheme_id and weight.ndim == 4 and frozen._shift.shape == frozen._scale.shape
    )
    stored_as = schemes.get(scheme_id.removesuffix("_hqq")) if kept_first_shifts else scheme
    assert stored_as.stored_bytes(weight.shape, dtype) == stored_bytes(frozen.data)
    assert_same(round_trip(scheme_id, weight), frozen.dequantize())
    assert_same(round_trip(scheme_id, weight, chunk_elements=200), frozen.dequantize())


@pytest.mark.parametrize("scheme_id", ["quanto.qint4", "quanto.qint4_hqq"])
def test_a_large_bfloat16_matrix_takes_the_tinygemm_packing(scheme_id: str) -> None:
    torch.manual_seed(0)
    weight = torch.randn(512, 384).bfloat16()
    frozen = library(scheme_id, weight)
    assert type(frozen.data).__name__ == "TinyGemmWeightQBitsTensor"
    assert_same(round_trip(scheme_id, weight), frozen.dequantize())


@pytest.mark.parametrize("scheme_id", ["quanto.qint4_hqq", "quanto.qint2_hqq"])
@pytest.mark.parametrize("shape", [(512, 384), (64, 16, 3, 3), (96, 20, 5, 5)])
def test_a_large_weight_is_improved_as_a_whole(scheme_id: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape) * 0.05
    frozen = library(scheme_id, weight)
    assert_same(round_trip(scheme_id, weight), frozen.dequantize())
    assert schemes.get(scheme_id).stored_bytes(shape, "float32") == stored_bytes(frozen.data)

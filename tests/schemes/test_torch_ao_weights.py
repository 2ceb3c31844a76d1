"""Our arithmetic against torch.ao.quantization's own conversion of real layers."""

from __future__ import annotations

import pytest
import torch
from bitlens import schemes
from hypothesis import assume, given, settings
from schemes.weights import assert_same, round_trip, weights
from torch import nn

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning"
)  # torch.ao warns of itself


def stored(weight: torch.Tensor) -> int:
    if weight.qscheme() == torch.per_tensor_affine:
        return weight.numel() + 8 + 8
    return weight.numel() + 8 * (
        weight.q_per_channel_scales().numel() + weight.q_per_channel_zero_points().numel()
    )


@settings(max_examples=50, deadline=None)
@given(weight=weights(conv=False))
def test_dynamic(weight: torch.Tensor) -> None:
    assume(weight.isfinite().all())
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.clone())
    converted = torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), dtype=torch.qint8)[0].weight()
    assert schemes.get("torch_ao.dynamic_int8").stored_bytes(weight.shape, "float32") == stored(converted)
    assert_same(round_trip("torch_ao.dynamic_int8", weight), converted.dequantize())
    assert_same(round_trip("torch_ao.dynamic_int8", weight, chunk_elements=100), converted.dequantize())


@pytest.mark.parametrize("engine", ["x86", "qnnpack"])
@settings(max_examples=50, deadline=None)
@given(weight=weights())
def test_static(engine: str, weight: torch.Tensor) -> None:
    """The configuration's own observer and torch's quantized tensor, which is what convert() packs."""
    assume(weight.isfinite().all())
    observer = torch.ao.quantization.get_default_qconfig(engine).weight()
    observer(weight.float())
    scale, zero = observer.calculate_qparams()
    if engine == "x86":
        converted = torch.quantize_per_channel(weight.float(), scale.double(), zero, 0, torch.qint8)
    else:
        converted = torch.quantize_per_tensor(weight.float(), float(scale), int(zero), torch.qint8)
    scheme = schemes.get(f"torch_ao.{engine}_int8")
    assert scheme.stored_bytes(weight.shape, "float32") == stored(converted)
    assert_same(round_trip(scheme.id, weight), converted.dequantize())

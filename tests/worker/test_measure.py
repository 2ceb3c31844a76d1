"""What a Measurer says of layers: the measures, and that nothing is made up where there is no number."""

from __future__ import annotations

import math

import pytest
import torch
from backends.models import layers
from bitlens import schemes
from bitlens.schemes import UnknownScheme
from bitlens.worker.measure import Measurer
from bitlens.worker.passes import Streamer, Sums
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

MEASURED = [id for id in schemes.all_ids() if not schemes.get(id).needs_data]
TOLERANCE = 1e-6
"""Relative; what sums of float32 squares over chunks of different sizes may differ by."""


def linear(weight: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight)
    return layer


def measured(weight: torch.Tensor, scheme: str, **options: int) -> dict:
    [(facts, tensors)] = layers(nn.ModuleDict({"fc": linear(weight)}))
    return Measurer([scheme], **options).layer(facts, tensors)[scheme]


def test_the_measures_are_their_definitions() -> None:
    torch.manual_seed(0)
    weight = torch.randn(33, 65)
    result = measured(weight, "bfloat16")
    error = weight.bfloat16().double() - weight.double()
    relative = float(error.norm() / weight.double().norm())
    assert result["relative_error"] == pytest.approx(relative, rel=TOLERANCE)
    assert result["sqnr_db"] == pytest.approx(-20 * math.log10(relative), rel=TOLERANCE)
    assert result["max_abs_error"] == pytest.approx(float(error.abs().max()), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.sampled_from((1, 5, 64, 96, 100, 256, 1000))),
    chunk=st.sampled_from((300, 1000, 4096)),
    seed=st.integers(0, 1000),
)
def test_chunks_do_not_change_the_answer(dtype, shape, chunk, seed) -> None:
    torch.manual_seed(seed)
    [(facts, tensors)] = layers(nn.ModuleDict({"fc": linear(torch.randn(shape, dtype=dtype))}))
    one = Measurer(schemes.all_ids()).layer(facts, tensors)
    other = Measurer(schemes.all_ids(), chunk_elements=chunk).layer(facts, tensors)
    for id, result in one.items():
        for key, value in result.items():
            expected = pytest.approx(value, rel=TOLERANCE, abs=1e-12) if isinstance(value, float) else value
            assert other[id][key] == expected, (id, key)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shares_of_a_weight_make_the_whole_exactly(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    chosen = [schemes.get(id) for id in MEASURED]
    streamer, weight = Streamer(chunk_elements=4096), torch.randn(58, 384).to(dtype)
    whole = streamer.measure(weight, chosen)
    for count in (2, 3, 50):
        shares = [streamer.parts(weight, chosen, share=(number, count)) for number in range(count)]
        for id, sums in whole.items():
            assert Sums.total([part for share in shares for part in share.get(id, ())]) == sums, (id, count)


WIDE = [
    id
    for id in schemes.all_ids()
    if id == "bfloat16" or (schemes.get(id).library in ("quanto", "textbook") and "hqq" not in id)
]


@pytest.mark.parametrize("scheme", WIDE)
@pytest.mark.parametrize("exponent", [-100, -70, 70, 100])
def test_magnitudes_whose_squares_leave_float32_are_measured_all_the_same(scheme: str, exponent: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(48, 256)
    at_one, scaled = measured(weight, scheme), measured(weight * 2.0**exponent, scheme)
    assert scaled["relative_error"] == pytest.approx(at_one["relative_error"], rel=TOLERANCE)


@pytest.mark.parametrize("scheme", MEASURED)
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_weights_that_are_not_finite_are_reported_and_not_measured(scheme: str, value: float) -> None:
    weight = torch.randn(4, 256)
    weight[1, 2] = value
    result = measured(weight, scheme)
    assert result["relative_error"] is result["sqnr_db"] is result["max_abs_error"] is None
    assert result["note"].endswith("1 values are not finite before conversion")


def test_overflow_and_underflow_of_a_cast_are_counted() -> None:
    weight = torch.tensor([[1e5, -1e5, 1.0, 1e-9, -1e-9, 0.0]])
    result = measured(weight, "float16")
    assert (result["overflow"], result["underflow"], result["relative_error"]) == (2, 2, None)
    assert result["note"] == "2 finite values become inf or NaN"


def test_a_range_that_overflows_its_own_dtype_is_reported() -> None:
    weight = torch.full((2, 64), 60000.0, dtype=torch.float16)
    weight[:, 0] = -60000.0
    result = measured(weight, "quanto.qint4")
    assert result["relative_error"] is None
    assert result["note"] == "128 finite values become inf or NaN"


def test_a_model_with_a_broken_weight_has_no_total_error_and_says_so() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight.data[0, 0] = math.nan
    measurer = Measurer(["quanto.qint8"])
    for facts, tensors in layers(model):
        measurer.layer(facts, tensors)
    total = measurer.totals()["quanto.qint8"]
    assert total["relative_error"] is None and total["note"] == "1 weight has no finite error"


def test_zeros_have_no_error() -> None:
    result = measured(torch.zeros(4, 8), "quanto.qint8")
    assert (result["relative_error"], result["sqnr_db"], result["max_abs_error"]) == (0.0, None, 0.0)


def test_an_empty_weight_is_measured() -> None:
    layer = nn.Module()
    layer.weight = nn.Parameter(torch.zeros(0, 4))
    [(facts, tensors)] = layers(nn.ModuleDict({"empty": layer}))
    for result in Measurer(schemes.all_ids()).layer(facts, tensors).values():
        assert (result["relative_error"] or 0.0, result["bytes"] in (0, 4, 5)) == (0.0, True)


def test_a_scalar_parameter_is_cast() -> None:
    layer = nn.Module()
    layer.scale = nn.Parameter(torch.tensor(0.1))
    [(facts, tensors)] = layers(nn.ModuleDict({"scale": layer}))
    result = Measurer(["bfloat16"]).layer(facts, tensors)["bfloat16"]
    assert (result["bytes"], result["converted"]) == (2, True)


def test_weights_in_any_memory_format_are_the_same_weights() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, 3, bias=False)
    plain = next(layers(nn.ModuleDict({"conv": conv})))
    strided = (
        next(layers(nn.ModuleDict({"conv": conv})))[1]["weight"]
        .detach()
        .to(memory_format=torch.channels_last)
    )
    first = Measurer(schemes.all_ids()).layer(*plain)
    assert Measurer(schemes.all_ids()).layer(plain[0], {"weight": strided}) == first


def test_an_unknown_scheme_names_its_neighbours() -> None:
    with pytest.raises(UnknownScheme, match=r"'quanto\.int8'.*quanto\.qint8"):
        Measurer(["quanto.int8"])


@pytest.mark.parametrize("scheme", [id for id in schemes.all_ids() if schemes.get(id).needs_data])
def test_a_method_that_needs_data_has_bytes_and_no_made_up_error(scheme: str) -> None:
    model = nn.Sequential(nn.Linear(128, 64), nn.LayerNorm(64))
    measurer = Measurer([scheme])
    linear, norm = [measurer.layer(facts, tensors)[scheme] for facts, tensors in layers(model)]
    assert linear["converted"] and linear["bytes"] and not norm["converted"]
    for result in (linear, measurer.totals()[scheme]):
        assert (result["relative_error"], result["note"]) == (None, "error needs calibration")

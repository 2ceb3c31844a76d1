"""The fused kernels in Triton's interpreter, against the schemes; `test_kernels.py` runs this file.

The interpreter is chosen by an environment variable before triton is loaded: it needs a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import triton
import triton.language as tl
from backends.models import layers
from bitlens import schemes
from bitlens.worker import measure
from bitlens.worker.kernels import arithmetic
from bitlens.worker.kernels.fused import FusedKernels
from bitlens.worker.passes import Streamer
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

pytestmark = pytest.mark.filterwarnings(
    "ignore:All-NaN slice:RuntimeWarning"
)  # numpy's word for a row of zeros

TOLERANCE = 2e-6
"""Relative, of sums of squares, which are added in another order."""
FORMULAS = [
    scheme
    for scheme in (schemes.get(id) for id in schemes.all_ids())
    if not scheme.needs_data and scheme.fused((128, 128), "float32")
]
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
SHAPES = (
    (1, 7),
    (2, 96),
    (3, 64),
    (16, 128),
    (5, 160),
    (3, 192),
    (3, 300),
    (2, 640),
    (130, 1),
    (3, 8, 4, 4),
    (257,),
    (),
)
KINDS = ("normal", "uniform", "zero rows", "constant", "outlier", "ties", "tiny", "large")


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """A GPU divides 0 by 0 without a word; numpy, which interprets, does not."""
    with np.errstate(all="ignore"):
        yield


def weights(kind: str, shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    weight = torch.randn(shape) * 0.02
    if kind == "uniform":
        weight = torch.rand(shape) + 0.5
    elif kind == "zero rows":
        weight.view(-1, weight.shape[-1] if weight.ndim else 1)[::2] = 0
    elif kind == "constant":
        weight.fill_(0.3)
    elif kind == "outlier":
        weight.view(-1)[-1] = 30.0
    elif kind == "ties":
        weight = torch.randint(-15, 16, shape) / 2
    elif kind in ("tiny", "large"):
        weight *= 2.0**-20 if kind == "tiny" else 2.0**10
    return weight.to(dtype)


def agree(weight: torch.Tensor, chosen: list[schemes.Scheme], **options: int) -> set[str]:
    """Ids that the kernels measured, after each was found to be what its scheme says."""
    found = FusedKernels(interpreted=True, compares=False, **options).measure(weight, chosen)
    expected = Streamer().measure(weight, chosen)
    for id, sums in found.items():
        for field, value, right in zip(sums._fields, sums, expected[id], strict=True):
            exact = field not in ("squared_norm", "squared_error")
            assert value == (right if exact else pytest.approx(right, rel=TOLERANCE, abs=1e-30)), (id, field)
    return set(found)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=10, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    kind=st.sampled_from(KINDS),
    chosen=st.lists(st.sampled_from(FORMULAS), min_size=1, max_size=4, unique=True),
    tile=st.sampled_from((512, 1024)),
    seed=st.integers(0, 1000),
)
def test_kernels_find_what_schemes_find(dtype, shape, kind, chosen, tile, seed) -> None:
    name = str(dtype).removeprefix("torch.")
    casts = [scheme for scheme in chosen if scheme.library == "torch"]
    able = [scheme for scheme in chosen if not scheme.refuses(shape, name)] if shape else casts
    assume(able)
    agree(weights(kind, shape, dtype, seed), able, tile=tile)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_format_with_a_formula_is_measured_by_it(dtype: torch.dtype) -> None:
    assert agree(weights("normal", (16, 128), dtype, 0), FORMULAS) == {scheme.id for scheme in FORMULAS}


@pytest.mark.parametrize("shape", [(130, 1), (257,), (4, 33), ()], ids=str)
def test_what_vanishes_in_a_cast_is_counted_in_rows_of_any_length(shape: tuple[int, ...]) -> None:
    casts = [scheme for scheme in FORMULAS if scheme.library == "torch"]
    assert agree(weights("tiny", shape, torch.float32, 0), casts) == {scheme.id for scheme in casts}


def test_the_same_weight_gives_the_same_bits() -> None:
    weight, chosen = weights("normal", (40, 100), torch.bfloat16, 0), FORMULAS[:3]
    kernels = FusedKernels(interpreted=True)
    assert kernels.measure(weight, chosen) == kernels.measure(weight.clone(), chosen)
    assert kernels.notes == []


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_weights_that_are_not_finite_are_left_to_the_schemes(value: float) -> None:
    weight = torch.randn(4, 128)
    weight[1, 2] = value
    assert FusedKernels(interpreted=True, compares=False).measure(weight, FORMULAS[:4]) == {}


def test_a_model_measured_through_kernels_is_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(128, 48), nn.LayerNorm(48), nn.Linear(48, 3)).bfloat16()
    model[2].weight.data[0] = 0
    ids = ["quanto.qint8", "quanto.qint4", "quanto.qfloat8", "hqq.int4_g64", "float16"]
    plain = [measure.Measurer(ids).layer(*layer) for layer in layers(model)]
    monkeypatch.setattr(measure, "FusedKernels", lambda: FusedKernels(interpreted=True))
    fused = measure.Measurer(ids)
    for (facts, tensors), expected in zip(layers(model), plain, strict=True):
        result = fused.layer(facts, tensors)
        for id in ids:
            assert result[id] == {
                key: pytest.approx(value, rel=TOLERANCE) if isinstance(value, float) else value
                for key, value in expected[id].items()
            }
    assert fused.notes == []


def test_what_huge_weights_destroy_is_told_as_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    column, row = nn.Linear(512, 16, bias=False), nn.Linear(512, 16, bias=False)
    column.weight.data[:, 7], row.weight.data[3, 7] = 1e4, 1e4
    ids = ["quanto.qint8", "quanto.qint4", "bitsandbytes.nf4", "int8.symmetric.tensor"]
    plain = [measure.Measurer(ids).layer(*layer) for layer in layers(nn.ModuleList([column, row]))]
    monkeypatch.setattr(measure, "FusedKernels", lambda: FusedKernels(interpreted=True, compares=False))
    fused = [measure.Measurer(ids).layer(*layer) for layer in layers(nn.ModuleList([column, row]))]
    notes = [{id: result["note"] for id, result in layer.items()} for layer in fused]
    assert notes == [{id: result["note"] for id, result in layer.items()} for layer in plain]
    assert [note is None for note in notes[0].values()] == [False] * 4
    assert [note is None for note in notes[1].values()] == [False, False, True, False]


@triton.jit
def _bfloat16(x, out, SIZE: tl.constexpr):
    at = tl.arange(0, SIZE)
    tl.store(out + at, arithmetic.to_bfloat16(tl.load(x + at), False))


def test_bfloat16_by_hand_is_torchs() -> None:
    upper = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32) << 16
    for lower in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        x = (upper | lower).view(torch.float32)
        out = torch.empty_like(x)
        _bfloat16[(1,)](x, out, SIZE=x.numel())
        assert torch.equal(out.nan_to_num(), x.bfloat16().float().nan_to_num())
        assert torch.equal(out.isnan(), x.isnan())


@triton.jit
def _float8(x, out, SIZE: tl.constexpr, MANTISSA: tl.constexpr, LEAST: tl.constexpr):
    at = tl.arange(0, SIZE)
    tl.store(out + at, arithmetic.to_float8(tl.load(x + at), MANTISSA, LEAST))


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_float8_by_hand_is_torchs(dtype: str) -> None:
    mantissa, least, greatest = schemes.base.FLOAT8[dtype]
    upper = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32) << 16
    for lower in (0, 1, 0x8000):
        x = (upper | lower).view(torch.float32).nan_to_num().clamp(-greatest, greatest)
        out = torch.empty_like(x)
        _float8[(1,)](x, out, SIZE=x.numel(), MANTISSA=mantissa, LEAST=least)
        assert torch.equal(out, x.to(getattr(torch, dtype)).float())

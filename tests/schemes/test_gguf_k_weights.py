"""Our k-quants against ggml's own C code, called without an importance matrix."""

from __future__ import annotations

import ctypes
import importlib.metadata

import gguf
import numpy as np
import pytest
import torch
from bitlens import schemes
from hypothesis import given, settings
from hypothesis import strategies as st
from schemes.weights import DTYPES, assert_same, round_trip

KINDS = ("random", "heavy tails", "positive", "zero block", "constant block", "both signs", "outlier", "tiny")


@pytest.fixture(scope="module")
def ggml() -> ctypes.CDLL:
    try:
        files = importlib.metadata.files("libggml-python") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("libggml-python is not installed")
    return ctypes.CDLL(str(next(file.locate() for file in files if file.name == "libggml-base.so")))


def library(ggml: ctypes.CDLL, kind: str, weight: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The weight after ggml's round trip, and the bytes that it stored."""
    rows = np.ascontiguousarray(weight.float().numpy())
    block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1]
    stored = np.zeros((len(rows), rows.shape[1] // 256 * block_bytes), np.uint8)
    quantize = getattr(ggml, f"quantize_{kind.replace('Q', 'q')}")
    quantize.restype = ctypes.c_size_t
    sizes = (ctypes.c_int64(size) for size in rows.shape)
    done = quantize(
        rows.ctypes.data_as(ctypes.c_void_p), stored.ctypes.data_as(ctypes.c_void_p), *sizes, None
    )
    return torch.from_numpy(gguf.quants.dequantize(stored, gguf.GGMLQuantizationType[kind])), done


@st.composite
def rows_of_256(draw: st.DrawFn) -> torch.Tensor:
    torch.manual_seed(draw(st.integers(0, 2**16)))
    weight = torch.randn(draw(st.integers(1, 6)), draw(st.sampled_from((256, 512))))
    weight *= draw(st.sampled_from((1e-3, 0.05, 1.0)))
    kind = draw(st.sampled_from(KINDS))
    if kind == "heavy tails":
        weight = weight**3
    elif kind == "positive":
        weight.abs_()
    elif kind == "zero block":
        weight[0, :32] = 0
    elif kind == "constant block":
        weight[0, :32] = draw(st.sampled_from((0.3, -0.3)))
    elif kind == "both signs":
        weight[0, 5], weight[0, 9] = 7.0, -7.0
    elif kind == "outlier":
        weight[0, 3] = 1e4
    elif kind == "tiny":
        weight[0] *= 1e-12
    return weight.to(draw(st.sampled_from(DTYPES)))


@pytest.mark.parametrize("kind", ["Q4_K", "Q5_K", "Q6_K"])
@settings(max_examples=30, deadline=None)
@given(weight=rows_of_256())
def test_values_and_bytes_are_the_library_s(ggml: ctypes.CDLL, kind: str, weight: torch.Tensor) -> None:
    scheme = schemes.get(f"gguf.{kind.lower()}")
    expected, stored = library(ggml, kind, weight)
    assert scheme.stored_bytes(weight.shape, "float32") == stored
    assert_same(round_trip(scheme.id, weight), expected)


@pytest.mark.parametrize("kind", ["Q4_K", "Q5_K", "Q6_K"])
def test_a_large_weight(ggml: ctypes.CDLL, kind: str) -> None:
    torch.manual_seed(0)
    weight = torch.randn(384, 1536) * 0.05
    assert_same(round_trip(f"gguf.{kind.lower()}", weight), library(ggml, kind, weight)[0])

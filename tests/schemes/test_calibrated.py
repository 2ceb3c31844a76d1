"""Bytes of methods that need data: those of the tensors that each library's class registers for a weight."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from bitlens import schemes

Tensors = dict[str, torch.Tensor]


def gptq(out: int, inputs: int, dtype: torch.dtype) -> Tensors:
    """AutoGPTQ, qlinear_cuda_old.QuantLinear.__init__ with bits 4 and group 128."""
    groups = -(-inputs // 128)
    return {
        "qweight": torch.zeros(inputs // 32 * 4, out, dtype=torch.int32),
        "qzeros": torch.zeros(groups, out // 32 * 4, dtype=torch.int32),
        "scales": torch.zeros(groups, out, dtype=torch.float16),
        "g_idx": torch.zeros(inputs, dtype=torch.int32),
    }


def awq(out: int, inputs: int, dtype: torch.dtype) -> Tensors:
    """autoawq, WQLinear_GEMM.__init__ with w_bit 4 and group 128."""
    return {
        "qweight": torch.zeros(inputs, out // 8, dtype=torch.int32),
        "qzeros": torch.zeros(inputs // 128, out // 8, dtype=torch.int32),
        "scales": torch.zeros(inputs // 128, out, dtype=torch.float16),
    }


def smoothquant(out: int, inputs: int, dtype: torch.dtype) -> Tensors:
    """torch-int, W8FakeA8Linear.from_float: scales computed from the weight replace the buffer."""
    scales = torch.ones(out, inputs, dtype=dtype).abs().max(dim=1)[0] / 127
    return {"weight": torch.zeros(out, inputs, dtype=torch.int8), "weight_scales": scales.view(-1, 1)}


def quip_sharp(out: int, inputs: int, dtype: torch.dtype) -> Tensors:
    """quip-sharp, QuantizedLinear.__init__ with E8P12's codesz 8, packsz 4, int64, default dtype float16."""
    return {
        "Qidxs": torch.zeros(out, inputs // (8 * 4), dtype=torch.int64),
        "codebook_id": torch.tensor(0),
        "SU": torch.ones(inputs, dtype=torch.float16),
        "SV": torch.ones(out, dtype=torch.float16),
        "Wscale": torch.ones((), dtype=torch.float16),
    }


def aqlm(out: int, inputs: int, dtype: torch.dtype) -> Tensors:
    """aqlm, QuantizedLinear.__init__ with one codebook of 16 bits and groups of 8, in float16."""
    return {
        "codes": torch.zeros(out, inputs // 8, 1, dtype=torch.int16),
        "codebooks": torch.zeros(1, 1 << 16, 1, 8, dtype=torch.float16),
        "scales": torch.zeros(out, 1, 1, 1, dtype=torch.float16),
    }


LAYOUTS = {
    "gptq.int4_g128": gptq,
    "awq.int4_g128": awq,
    "smoothquant.int8": smoothquant,
    "quip_sharp.e8p_2bit": quip_sharp,
    "aqlm.1x16_g8": aqlm,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(256, 384), (4096, 4096), (96, 128), (32, 1408)])
@pytest.mark.parametrize(("id", "layout"), LAYOUTS.items())
def test_bytes_are_those_of_the_tensors_that_the_library_registers(
    id: str, layout: Callable[[int, int, torch.dtype], Tensors], shape: tuple[int, int], dtype: torch.dtype
) -> None:
    scheme = schemes.get(id)
    name = str(dtype).removeprefix("torch.")
    assert scheme.refuses(shape, name) is None
    stored = sum(tensor.nbytes for tensor in layout(*shape, dtype).values())
    assert scheme.stored_bytes(shape, name) == stored


@pytest.mark.parametrize(
    ("id", "shape"),
    [("gptq.int4_g128", (40, 128)), ("gptq.int4_g128", (64, 136)), ("quip_sharp.e8p_2bit", (40, 128))],
)
def test_a_weight_that_the_layout_would_cut_off_is_refused(id: str, shape: tuple[int, int]) -> None:
    assert "divisible" in (schemes.get(id).refuses(shape, "float32") or "")

"""Whole models in GGUF: which tensor is what by the published names and rules, bytes by gguf's own sizes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from backends import models
from bitlens import backends, schemes
from bitlens.worker.measure import Measurer
from torch import nn

gguf = pytest.importorskip("gguf")
from gguf.constants import MODEL_ARCH, MODEL_TENSOR, GGMLQuantizationType  # noqa: E402

BUILDS = {
    models.llama: MODEL_ARCH.LLAMA,
    models.gpt2: MODEL_ARCH.GPT2,
    models.t5: MODEL_ARCH.T5,
    models.minilm: MODEL_ARCH.BERT,
}
NEVER = {MODEL_TENSOR.FFN_GATE_INP, MODEL_TENSOR.POS_EMBD, MODEL_TENSOR.TOKEN_TYPES, MODEL_TENSOR.SSM_CONV1D}
"""Always float32: convert_hf_to_gguf.py writes them so and llama-quantize leaves them."""
RELATIVE = {MODEL_TENSOR.ENC_ATTN_REL_B, MODEL_TENSOR.DEC_ATTN_REL_B}
FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
"""`tensor_type_fallback` of llama-quantize."""


def type_of(tensor: MODEL_TENSOR | None, shape: tuple[int, ...], asked: str) -> GGMLQuantizationType:
    """What llama-quantize --pure makes of a tensor of the converter's float16 file."""
    if len(shape) < 2 or tensor in NEVER:
        return GGMLQuantizationType.F32
    if tensor in RELATIVE:
        return GGMLQuantizationType.F16
    for name in (asked, FALLBACK.get(asked)):
        if name and shape[-1] % gguf.GGML_QUANT_SIZES[GGMLQuantizationType[name]][0] == 0:
            return GGMLQuantizationType[name]
    return GGMLQuantizationType.F16


def expected(model: nn.Module, arch: MODEL_ARCH, asked: str) -> dict[str, int]:
    """Bytes by parameter name; a tied parameter under its first name alone."""
    names = gguf.get_tensor_name_map(arch, 99)
    found = {}
    for name, parameter in model.named_parameters():
        tensor = names.get_type(name, try_suffixes=(".weight", ".bias"))
        shape = tuple(parameter.shape)
        if type(model.get_submodule(name.rpartition(".")[0])).__name__ == "Conv1D":
            shape = shape[::-1]
        kind = type_of(tensor, shape, asked)
        elements, block = gguf.GGML_QUANT_SIZES[kind]
        found[name] = math.prod(shape) // elements * block
    return found


@pytest.mark.parametrize("scheme_id", ["gguf.q4_0", "gguf.q4_k", "gguf.q6_k"])
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_bytes(build, scheme_id: str) -> None:
    torch.manual_seed(0)
    model = build().bfloat16()
    measurer = Measurer([scheme_id])
    ours = {facts.path: measurer.layer(facts, None)[scheme_id]["bytes"] for facts, _ in models.layers(model)}
    theirs: dict[str, int] = dict.fromkeys(ours, 0)
    for name, size in expected(model, BUILDS[build], scheme_id.removeprefix("gguf.").upper()).items():
        theirs[name.rpartition(".")[0]] += size
    assert ours == theirs
    assert measurer.totals()[scheme_id]["bytes"] == sum(theirs.values())


def test_rows_without_whole_super_blocks_fall_back_and_the_error_is_that_of_the_fallback() -> None:
    torch.manual_seed(0)
    [(facts, own)] = models.layers(nn.ModuleDict({"fc": nn.Linear(384, 32, bias=False)}))
    result = Measurer(["gguf.q4_k", "gguf.q5_0"]).layer(facts, own)
    weight = own["weight"].detach().numpy()
    data = gguf.quants.quantize(weight, GGMLQuantizationType.Q5_0)
    error = gguf.quants.dequantize(data, GGMLQuantizationType.Q5_0) - weight
    assert result["gguf.q4_k"]["bytes"] == data.nbytes
    assert result["gguf.q4_k"]["relative_error"] == pytest.approx(
        float(np.linalg.norm(error) / np.linalg.norm(weight)), rel=1e-5
    )
    assert "gguf.q5_0" in result["gguf.q4_k"]["note"]


def test_routers_are_float32_and_fused_experts_are_quantized() -> None:
    measurer = Measurer(["gguf.q8_0"])
    layers = models.layers(models.mixtral().half())
    found = {facts.path: measurer.layer(facts, None)["gguf.q8_0"] for facts, _ in layers}
    gate, experts = found["model.layers.0.mlp.gate"], found["model.layers.0.mlp.experts"]
    assert (gate["converted"], gate["bytes"]) == (False, 4 * 4 * 64)
    assert (experts["converted"], experts["bytes"]) == (True, 3 * 4 * 160 * 64 // 32 * 34)


def test_every_name_that_the_converter_maps_to_such_a_tensor_is_known() -> None:
    from gguf.tensor_mapping import TensorNameMap

    backend, scheme = backends.get("gguf"), schemes.get("gguf.q8_0")
    for table in (TensorNameMap.mappings_cfg, TensorNameMap.block_mappings_cfg):
        for tensor in NEVER & set(table):
            for name in table[tensor]:
                [(facts, _)] = models.layers(nn.Linear(64, 64, bias=False))
                path = name.replace("{bid}", "0")
                found = backend.converts(replace(facts, path=path), scheme)
                assert found.casts == {"weight": "float32"} and found.reason, name

"""Layers of a bare weights file: what tensor names and shapes tell about the modules that owned them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

Shape = tuple[int, ...]

_EMBEDDING = {"emb", "embd", "embed", "embeds", "embedding", "embeddings", "wte", "wpe"}
_NOT_EMBEDDING = {
    "out",
    "output",
    "proj",
    "projection",
    "project",
    "linear",
    "dense",
    "head",
    "mapping",
    "norm",
}
_LOOKUPS = {"embed_tokens", "relative_attention_bias", "shared", "token_types"}
_BUFFERS = {
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "position_ids",
    "token_type_ids",
    "inv_freq",
}
_CONVOLUTIONS = {3: "Conv1d", 4: "Conv2d", 5: "Conv3d"}
_RECURRENT = {1: "RNN", 3: "GRU", 4: "LSTM"}


def module_type(path: str, tensors: Mapping[str, Shape]) -> str | None:
    """Class name of the module at `path` that owns `tensors`; None if their names and shapes do not tell."""
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if weight is None:
        return _without_weight(path, tensors)
    if len(weight) == 1:
        return _norm(path, tensors)
    if len(weight) == 2:
        return _matrix(path, weight, bias)
    if len(weight) == 3 and re.search(r"expert|exps", path):
        return None
    return _CONVOLUTIONS.get(len(weight))


def class_bases(name: str | None) -> tuple[str, ...]:
    """Dotted names of the method resolution order of class `name`; those of Module if unknown."""
    if name == "Conv1D":
        return ("transformers.pytorch_utils.Conv1D", *class_bases(None))
    found = getattr(torch.nn, name or "Module", torch.nn.Module)
    return dotted_bases(found)


def dotted_bases(found: type) -> tuple[str, ...]:
    """Dotted names of a class's method resolution order."""
    return tuple(f"{base.__module__}.{base.__qualname__}" for base in found.__mro__)


def is_buffer(name: str, dtype: str) -> bool:
    """Whether a tensor is a buffer, not a parameter: by its name, or because it holds plain integers."""
    return name in _BUFFERS or re.fullmatch(r"u?int\d+|bool", dtype) is not None


def is_embedding(path: str) -> bool:
    """Whether the last part of a path says that the module looks rows up (`wte`, `token_embd`)."""
    last = path.rpartition(".")[2]
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", last)}
    if last in _LOOKUPS:
        return True
    return bool(words & _EMBEDDING) and not words & _NOT_EMBEDDING


def _matrix(path: str, weight: Shape, bias: Shape | None) -> str:
    if is_embedding(path) and bias is None:
        return "Embedding"
    if bias is not None and bias == weight[1:] and bias != weight[:1]:
        return "Conv1D"  # GPT-2's layer: a Linear that stores its weight as (in, out)
    return "Linear"


def _norm(path: str, tensors: Mapping[str, Shape]) -> str | None:
    if "running_mean" in tensors:
        return "BatchNorm2d"
    if "bias" in tensors:
        return "LayerNorm"
    return "RMSNorm" if re.search(r"norm|ln", path.rpartition(".")[2], re.IGNORECASE) else None


def _without_weight(path: str, tensors: Mapping[str, Shape]) -> str | None:
    if "in_proj_weight" in tensors:
        return "MultiheadAttention"
    if {"gamma", "beta"} <= set(tensors):
        return "LayerNorm"
    hidden = tensors.get("weight_hh_l0")
    if hidden is not None and len(hidden) == 2 and hidden[1]:
        return _RECURRENT.get(hidden[0] // hidden[1])
    return None

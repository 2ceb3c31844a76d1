# ruff: noqa: E501 (one row a line)
"""The layer table against torch itself: every layer, every constructor argument that changes shapes."""

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from bitlens.source.evaluate import Construction, evaluate
from torch import nn

LAYERS: list[str] = [
    "Linear(3, 5)",
    "Linear(3, 5, bias=False, dtype=torch.float16)",
    "Bilinear(2, 3, 4)",
    "Bilinear(2, 3, 4, bias=False)",
    "Embedding(7, 3, padding_idx=1)",
    "EmbeddingBag(7, 3)",
    "Embedding.from_pretrained(torch.zeros(7, 3, dtype=torch.float16), True, 1)",
    "EmbeddingBag.from_pretrained(embeddings=torch.zeros(7, 3), freeze=False, mode='sum')",
    "PReLU()",
    "PReLU(4)",
    "LayerNorm(6)",
    "LayerNorm((2, 3), bias=False)",
    "LayerNorm(6, elementwise_affine=False)",
    "RMSNorm(6)",
    "RMSNorm([2, 3], elementwise_affine=False)",
    "GroupNorm(2, 6)",
    "GroupNorm(2, 6, affine=False)",
    "SyncBatchNorm(4)",
    "LocalResponseNorm(2)",
    "MultiheadAttention(8, 2)",
    "MultiheadAttention(8, 2, bias=False)",
    "MultiheadAttention(8, 2, add_bias_kv=True)",
    "MultiheadAttention(8, 2, kdim=5, vdim=6)",
    "TransformerEncoderLayer(8, 2)",
    "TransformerEncoderLayer(8, 2, 16, bias=False, batch_first=True)",
    "TransformerDecoderLayer(8, 2, dim_feedforward=16)",
    "TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 3)",
    "TransformerDecoder(nn.TransformerDecoderLayer(8, 2), num_layers=2, norm=nn.LayerNorm(8))",
    "Transformer(16, 2, 1, 2, 32)",
    "AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], head_bias=True)",
    "DataParallel(nn.Linear(2, 3))",
    "utils.weight_norm(nn.Conv1d(2, 3, 5), dim=2)",
    "utils.parametrizations.weight_norm(nn.Conv1d(2, 3, 5), name='weight')",
    "utils.spectral_norm(nn.ConvTranspose2d(2, 3, 5))",
    "utils.parametrizations.spectral_norm(nn.Linear(2, 3))",
    "utils.parametrizations.orthogonal(nn.Linear(2, 3))",
    "utils.parametrizations.orthogonal(nn.Conv2d(2, 3, (5, 4)), use_trivialization=False)",
    "utils.parametrizations.orthogonal(nn.Conv1d(2, 3, 5))",
    "utils.remove_weight_norm(nn.utils.weight_norm(nn.Conv1d(2, 3, 5)))",
    "utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 3)))",
    "CrossEntropyLoss(weight=torch.ones(3))",
    "BCEWithLogitsLoss(pos_weight=torch.ones(2))",
    "ParameterList([nn.Parameter(torch.empty(2, 3)), torch.empty(4)])",
    "ParameterDict({'a': nn.Parameter(torch.empty(2, 3))})",
    "Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3)))",
    "Sequential(nn.Linear(2, 3), nn.ReLU())[:1]",
    "ModuleList(nn.Linear(i, 2) for i in range(1, 4))",
    "ModuleDict({'a': nn.Linear(1, 2), 'b': nn.Identity()})",
    *(f"{name}Norm{d}d(4{options})" for name in ("Batch", "Instance") for d in (1, 2, 3)
      for options in ("", ", affine=True", ", affine=True, bias=False", ", affine=False", ", track_running_stats=True", ", track_running_stats=False")),
    *(f"Conv{t}{d}d(4, 6, 3{options})" for t in ("", "Transpose") for d in (1, 2, 3)
      for options in ("", ", groups=2", ", bias=False", ", stride=2, padding=1", ", dtype=torch.bfloat16")),
    "Conv2d(4, 6, (3, 5))",
    "ConvTranspose2d(4, 6, (3, 5), groups=2)",
    *(f"{name}(3, 5{options})" for name in ("RNN", "LSTM", "GRU")
      for options in ("", ", 2", ", num_layers=3, bidirectional=True", ", bias=False", ", batch_first=True")),
    "LSTM(3, 5, 2, proj_size=2, bidirectional=True)",
    *(f"{name}Cell(3, 5{options})" for name in ("RNN", "LSTM", "GRU") for options in ("", ", bias=False")),
]  # fmt: skip


def tensors(model: nn.Module) -> dict[str, tuple[tuple[int, ...], str]]:
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return {name: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in named}


def evaluated(construction: Construction) -> dict[str, tuple[Any, str | None]]:
    return {
        f"{module.path}.{tensor.name}".lstrip("."): (tensor.shape, tensor.dtype)
        for module in construction.modules
        for tensor in (*module.parameters, *module.buffers)
    }


def build(expression: str) -> nn.Module:
    # The spectral norm's power iteration and the orthogonal basis need values.
    needing = ("spectral", "orthogonal", "DataParallel")
    device = "cpu" if any(word in expression for word in needing) else "meta"
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")  # torch says when an option makes a fast path impossible.
        made: nn.Module = eval(f"nn.{expression}", {"nn": nn, "torch": torch})
    return made


@pytest.mark.parametrize("expression", LAYERS)
def test_layer(expression: str, tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text(f"import torch\nfrom torch import nn\nmodel = nn.{expression}\n")
    construction = evaluate(file, "model")
    model = build(expression)
    assert evaluated(construction) == tensors(model)
    assert [(m.path, m.type) for m in construction.modules] == [
        (p, type(m).__name__) for p, m in model.named_modules()
    ]
    assert not construction.problems


def layer_classes() -> Iterator[str]:
    for name, cls in vars(nn).items():
        if inspect.isclass(cls) and issubclass(cls, nn.Module) and cls is not nn.Module:
            yield name


def test_the_table_has_every_layer_of_torch(tmp_path: Path) -> None:
    file = tmp_path / "all.py"
    names = [name for name in layer_classes() if name != "Container"]
    file.write_text(
        "from torch import nn\nmodel = nn.ModuleList()\n" + "".join(f"nn.{n}.__mro__\n" for n in names)
    )
    assert evaluate(file, "model").problems == ()
    from bitlens.source.evaluate.world import world_for

    known = world_for(()).machine.torch_classes
    assert [name for name in names if name not in known] == []


VARIADIC = {
    "RNN",
    "LSTM",
    "GRU",
    "Identity",
    "Sigmoid",
    "Tanh",
    "Softsign",
    "Tanhshrink",
    "LogSigmoid",
    "Softmax2d",
}
"""Layers whose signature says only `*args, **kwargs`."""


def test_the_table_has_every_argument_of_torch() -> None:
    """By name and order, so that a wrong argument is the TypeError that code with fallbacks expects."""
    from bitlens.source.evaluate.torch_layers import ROWS

    for row in ROWS:
        cls = getattr(nn, row.name, None)
        if cls is not None and row.name not in VARIADIC:
            known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
            assert [name for name, _ in row.parameters] == known, row.name

"""Whole models against torch.ao's own conversions: dynamic, and static in eager mode."""

from __future__ import annotations

import copy

import pytest
import torch
from backends import models
from bitlens import backends, schemes
from bitlens.worker.measure import Measurer
from torch import nn
from torch.ao.quantization import convert, get_default_qconfig, prepare

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning"
)  # torch.ao warns of itself

DYNAMIC = "torch_ao.dynamic_int8"
ENGINES = ["torch_ao.x86_int8", "torch_ao.qnnpack_int8"]


def cells() -> nn.Module:
    return nn.ModuleList([nn.LSTMCell(8, 4), nn.GRU(8, 4, 2, bidirectional=True), nn.RNNCell(8, 4)])


@pytest.mark.parametrize("build", [*models.RANDOM, cells, models.minilm], ids=lambda build: build.__name__)
def test_dynamic(build) -> None:
    torch.manual_seed(0)
    model = build()
    names = {"after": copy.deepcopy(model)}
    exec(backends.get("torch_ao").snippet(schemes.get(DYNAMIC), "after"), names)
    models.compare(model, names["after"], DYNAMIC)


INPUTS = {
    nn.Linear: (2, 8),
    nn.modules.linear.NonDynamicallyQuantizableLinear: (2, 8),
    nn.Conv1d: (1, 8, 9),
    nn.Conv2d: (1, 8, 9, 9),
    nn.Conv3d: (1, 8, 5, 5, 5),
    nn.ConvTranspose1d: (1, 8, 9),
    nn.ConvTranspose2d: (1, 8, 9, 9),
    nn.ConvTranspose3d: (1, 8, 5, 5, 5),
    nn.BatchNorm1d: (2, 8),
    nn.BatchNorm2d: (2, 8, 3, 3),
    nn.LayerNorm: (2, 8),
    nn.GroupNorm: (2, 8, 3),
    nn.Embedding: (2,),
    nn.GRU: (2, 8),
}


def layer_of(kind: type) -> nn.Module:
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm):
        return kind(8)
    if kind is nn.GroupNorm:
        return kind(2, 8)
    return kind(8, 6, 3) if "Conv" in kind.__name__ else kind(8, 6)


def static(model: nn.Module, scheme_id: str) -> nn.Module:
    """Observers see one random input in each layer, then torch.ao converts."""
    engine = scheme_id.removeprefix("torch_ao.").removesuffix("_int8")
    before, torch.backends.quantized.engine = torch.backends.quantized.engine, engine
    try:
        after = copy.deepcopy(model).eval()
        after.qconfig = get_default_qconfig(engine)
        after = prepare(after)
        for layer, original in zip(after, model, strict=True):
            shape = INPUTS[type(original)]
            layer(torch.tensor([0, 1]) if isinstance(original, nn.Embedding) else torch.randn(shape))
        return convert(after)
    finally:
        torch.backends.quantized.engine = before


@pytest.mark.parametrize("scheme_id", ENGINES)
@pytest.mark.parametrize("kind", INPUTS, ids=lambda kind: kind.__name__)
def test_static_of_each_kind_of_layer(kind: type, scheme_id: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(layer_of(kind))
    [(facts, own)] = models.layers(model)
    result = Measurer([scheme_id]).layer(facts, own)[scheme_id]
    if "torch.ao raises" in (result["note"] or ""):
        with pytest.raises((AssertionError, AttributeError, RuntimeError)):
            models.stored_by_layer(static(model, scheme_id))
    else:
        models.compare(model, static(model, scheme_id), scheme_id)


@pytest.mark.parametrize("scheme_id", ENGINES)
def test_static_of_a_whole_model(scheme_id: str) -> None:
    torch.manual_seed(0)
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Conv1d, nn.Linear, nn.LayerNorm)
    model = nn.Sequential(*map(layer_of, kinds))
    models.compare(model, static(model, scheme_id), scheme_id)


def test_a_bare_layer_is_left_alone() -> None:
    layer = nn.Linear(8, 8)
    assert type(torch.ao.quantization.quantize_dynamic(layer, dtype=torch.qint8)) is nn.Linear
    [(facts, own)] = models.layers(layer)
    assert not Measurer([DYNAMIC]).layer(facts, own)[DYNAMIC]["converted"]

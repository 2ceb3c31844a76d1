"""Which layers torch.ao's own quantize_dynamic converts."""

from __future__ import annotations

import copy

import pytest
import torch
from backends import models
from bitlens import backends, schemes

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning"
)  # torch.ao warns of itself


@pytest.mark.parametrize("build", [*models.RANDOM, models.minilm], ids=lambda build: build.__name__)
def test_the_same_layers_are_converted(build) -> None:
    model = build()
    after = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), dtype=torch.qint8)
    scheme, backend = schemes.get("torch_ao.dynamic_int8"), backends.get("torch_ao")
    for facts, _ in models.layers(model):
        replaced = "quantized" in type(after.get_submodule(facts.path)).__module__
        assert (backend.converts(facts, scheme).reason is None) == replaced, facts.path

"""Whole models against hqq's own conversion, on the CPU."""

from __future__ import annotations

import copy

import pytest
import torch
from backends import models
from bitlens import backends, schemes
from torch import nn

pytest.importorskip("hqq.models.hf.base", exc_type=ImportError)


def converted(model: nn.Module, scheme_id: str) -> nn.Module:
    after = copy.deepcopy(model)
    exec(backends.get("hqq").snippet(schemes.get(scheme_id), "after"), {"after": after})
    return after


def whole_groups() -> nn.Module:
    """The CNN with linear layers that hqq does not refuse."""
    model = models.cnn()
    model[6], model[7] = nn.Linear(320, 8), nn.Linear(128, 1)
    return model


BUILDS = (models.llama, models.gpt2, models.t5, models.mixtral, models.attention, whole_groups)


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_a_model_of_each_kind(build) -> None:
    torch.manual_seed(0)
    model = build().to(torch.bfloat16 if build is models.mixtral else torch.float32)
    models.compare(model, converted(model, "hqq.int4_g64"), "hqq.int4_g64")


def test_a_real_checkpoint() -> None:
    model = models.minilm()
    models.compare(model, converted(model, "hqq.int4_g64"), "hqq.int4_g64")

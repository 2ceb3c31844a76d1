"""Whole models against what torchao's own call leaves."""

from __future__ import annotations

import copy

import pytest
import torch
from backends import models
from bitlens import backends, schemes
from torch import nn

pytest.importorskip("torchao", exc_type=ImportError)

WHOLE = ["torchao.int8_weight_only", "torchao.int8_dynamic", "torchao.float8_weight_only"]


def converted(model: nn.Module, scheme_id: str) -> nn.Module:
    after = copy.deepcopy(model)
    exec(backends.get("torchao").snippet(schemes.get(scheme_id), "after"), {"after": after})
    return after


@pytest.mark.parametrize("scheme_id", WHOLE)
@pytest.mark.parametrize("build", models.RANDOM, ids=lambda build: build.__name__)
def test_a_model_of_each_kind(build, scheme_id: str) -> None:
    torch.manual_seed(0)
    model = build()
    models.compare(model, converted(model, scheme_id), scheme_id)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scheme_id", [*WHOLE, "torchao.intx4_g32"])
def test_a_real_checkpoint(dtype: torch.dtype, scheme_id: str) -> None:
    model = models.minilm().to(dtype)
    models.compare(model, converted(model, scheme_id), scheme_id)

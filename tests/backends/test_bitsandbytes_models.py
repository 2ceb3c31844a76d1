"""Whole models against what transformers really loads with bitsandbytes, from a checkpoint on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from backends import models
from bitlens import backends, schemes
from bitlens.backends.facts import KEPT_IN_FLOAT32
from bitlens.worker.live import kept_in_float
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

pytest.importorskip("bitsandbytes")
pytest.importorskip("accelerate")

BUILDS = (models.llama, models.gpt2, models.t5, models.mixtral, models.minilm)


@pytest.fixture(autouse=True, scope="module")
def eager():
    """bitsandbytes compiles its fallback for odd shapes anew for each shape."""
    with torch.compiler.set_stance("force_eager"):
        yield


def loaded(folder: Path, cls: type, scheme_id: str | None = None):
    names: dict = {"quantization_config": None}
    if scheme_id is not None:
        exec(backends.get("bitsandbytes").snippet(schemes.get(scheme_id)), names)
    return cls.from_pretrained(folder, quantization_config=names["quantization_config"], dtype="auto")


@pytest.mark.parametrize("scheme_id", ["bitsandbytes.int8", "bitsandbytes.nf4", "bitsandbytes.fp4_double"])
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_a_model_of_each_kind(build, scheme_id: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build().to(torch.bfloat16 if build is models.gpt2 else torch.float32)
    model.save_pretrained(tmp_path)
    before = loaded(tmp_path, type(model))
    models.compare(before, loaded(tmp_path, type(model), scheme_id), scheme_id)


def test_what_a_class_keeps_in_float32_is_widened_where_the_checkpoint_is_float16(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = models.t5().half()
    model.save_pretrained(tmp_path)
    after = models.stored_by_layer(loaded(tmp_path, type(model), "bitsandbytes.nf4"))
    scheme, backend = schemes.get("bitsandbytes.nf4"), backends.get("bitsandbytes")
    kept = [facts for facts, _ in models.layers(model) if facts.kept == KEPT_IN_FLOAT32]
    assert {facts.path.rpartition(".")[2] for facts in kept} == {"wo"}
    for facts in kept:
        decision = backend.converts(facts, scheme)
        assert (decision.reason, decision.casts) == (KEPT_IN_FLOAT32, {"weight": "float32"})
        assert after[facts.path][0] == 4 * 64 * 160


@pytest.mark.parametrize(
    "name", ["BertForMaskedLM", "OPTForCausalLM", "T5ForConditionalGeneration", "WhisperModel", "ViTModel"]
)
def test_what_is_kept_in_float_is_what_the_quantizers_of_transformers_skip(name: str) -> None:
    cls = getattr(transformers, name)
    with torch.device("meta"):
        model = cls(cls.config_class())
    patterns = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
    theirs = {path for path, _ in model.named_modules() if not should_convert_module(path, patterns)}
    assert set(kept_in_float(model)) == theirs

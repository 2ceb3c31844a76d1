"""Models of transformers, from their default configurations: the sums are those that the library gives."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
import transformers
from bitlens.backends import facts
from bitlens.collect import Collector
from bitlens.measurement import Model
from bitlens.worker import live, trace
from bitlens.worker.loads import Loads
from bitlens.worker.stream import Stream
from bitlens.worker.wire import Job

CLASSES = """
    AlbertModel ASTModel BartModel BertForMaskedLM BlipForConditionalGeneration BloomForCausalLM
    CLIPModel ConvNextModel DebertaV2Model DistilBertModel ElectraModel FalconModel GemmaForCausalLM
    GPT2LMHeadModel GPTNeoXForCausalLM HubertModel LlamaForCausalLM LongformerModel MambaForCausalLM
    MistralForCausalLM MixtralForCausalLM MobileNetV2Model MPNetModel OPTForCausalLM PhiForCausalLM
    Qwen2ForCausalLM Qwen3MoeForCausalLM ResNetModel RobertaModel SegformerModel SwinModel
    T5ForConditionalGeneration ViTModel Wav2Vec2Model WhisperModel XLNetModel
""".split()  # noqa: SIM905 - names read better than quotes


def measured(model: torch.nn.Module, seen: trace.Constructions, schemes: tuple[str, ...] = ()) -> Model:
    collector = Collector()
    live.measure(model, Stream(Job("program", schemes, name="m"), collector.take), seen, Loads(), "cpu")
    result = collector.model()
    assert result is not None
    return result


@pytest.mark.parametrize("name", CLASSES)
def test_sums_are_the_footprint_and_every_layer_has_its_line(name: str) -> None:
    cls = getattr(transformers, name)
    with warnings.catch_warnings(), trace.constructions() as seen, torch.device("meta"):
        warnings.simplefilter("ignore")
        model = cls(cls.config_class())
    found = measured(model, seen)
    assert found.weights == "shapes"
    assert found.bytes + found.buffer_bytes == model.get_memory_footprint()
    assert found.parameters == model.num_parameters()
    assert sum(found.dtypes.values()) == found.parameters
    owners = {path for path, module in model.named_modules() if module._parameters or module._buffers}
    assert {layer.path for layer in found.layers} <= owners
    for layer in found.layers:
        if layer.path:
            assert layer.line is not None, layer.path
    lines = {(line.file, line.line): line.paths for line in found.lines}
    assert all(layer.path in lines[layer.file, layer.line] for layer in found.layers if layer.path)


def test_a_layer_stands_where_its_class_constructs_it() -> None:
    config = transformers.BertConfig(
        num_hidden_layers=2, hidden_size=32, intermediate_size=64, num_attention_heads=2
    )
    with trace.constructions() as seen:
        model = transformers.BertModel(config)
    found = measured(model, seen)
    query = next(layer for layer in found.layers if layer.path == "encoder.layer.1.attention.self.query")
    assert query.file == transformers.models.bert.modeling_bert.__file__
    line = Path(query.file).read_text(encoding="utf-8").splitlines()[(query.line or 0) - 1]
    assert line.strip().startswith("self.query = nn.Linear(")
    assert next(line for line in found.lines if line.line == query.line).count == 2


def test_what_transformers_never_quantizes_is_known() -> None:
    config = transformers.LlamaConfig(
        num_hidden_layers=1, hidden_size=64, intermediate_size=64, num_attention_heads=2, vocab_size=96
    )
    with trace.constructions() as seen:
        model = transformers.LlamaForCausalLM(config)
    found = {layer.path: layer for layer in measured(model, seen, ("bitsandbytes.nf4",)).layers}
    assert live.kept_in_float(model) == {"lm_head": facts.KEPT_HEAD}
    assert not found["lm_head"].schemes["bitsandbytes.nf4"].converted
    assert found["model.layers.0.mlp.up_proj"].schemes["bitsandbytes.nf4"].converted

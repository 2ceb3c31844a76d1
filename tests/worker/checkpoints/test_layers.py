"""Layers of a checkpoint against the model that the library loads from the same files."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import transformers
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.from_config import build_from_config
from bitlens.worker.checkpoints.infer import is_embedding
from bitlens.worker.checkpoints.keys import _match_renamed, _names, _older_renaming
from bitlens.worker.checkpoints.layers import CheckpointModel, describe, infer_layers, iterate_layers
from bitlens.worker.checkpoints.opening import locate, open_checkpoint
from torch import nn

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 60,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama, tied": ("LlamaForCausalLM", {**SIZES, "tie_word_embeddings": True}),
    "Llama, sharded": ("LlamaForCausalLM", SIZES),
    "BERT": ("BertModel", SIZES),
    "BERT, masked": ("BertForMaskedLM", SIZES),
    "GPT-2": (
        "GPT2LMHeadModel",
        {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 60, "n_positions": 20},
    ),
    "T5": (
        "T5ForConditionalGeneration",
        {"d_model": 16, "d_ff": 32, "num_layers": 2, "num_heads": 2, "d_kv": 8, "vocab_size": 60},
    ),
    "Mixtral, fused experts": (
        "MixtralForCausalLM",
        {**SIZES, "num_key_value_heads": 2, "num_local_experts": 12},
    ),
    "ResNet": (
        "ResNetForImageClassification",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    ),
    "ViT": ("ViTForImageClassification", {**SIZES, "image_size": 16, "patch_size": 8}),
}


def build(class_name: str, sizes: dict[str, Any]) -> Any:
    found = getattr(transformers, class_name)
    special = {"bos_token_id": 1, "eos_token_id": 2} if class_name == "GPT2LMHeadModel" else {}
    torch.manual_seed(0)
    return found(found.config_class(**sizes, **special)).eval()


def described(folder: Path) -> CheckpointModel:
    file, config = locate(str(folder))
    return describe(open_checkpoint(file), config)


def full_name(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def own_bytes(found: CheckpointModel) -> int:
    return sum(
        tensor["bytes"] for layer in found.layers for tensor in layer.tensors if tensor["tied_to"] is None
    )


def assert_is(found: CheckpointModel, loaded: nn.Module) -> None:
    """Same modules, types, tensors, values and ties as the loaded model."""
    modules = dict(loaded.named_modules())
    values = dict(loaded.named_parameters(remove_duplicate=False)) | dict(
        loaded.named_buffers(remove_duplicate=False)
    )
    seen: set[str] = set()
    for layer in found.layers:
        module = modules[layer.path]
        assert layer.type == type(module).__name__
        assert layer.bases[0] == f"{type(module).__module__}.{type(module).__qualname__}"
        assert "torch.nn.modules.module.Module" in layer.bases
        for tensor in layer.tensors:
            name = full_name(layer.path, tensor["name"])
            seen.add(name)
            assert tensor["kind"] == ("parameter" if isinstance(values[name], nn.Parameter) else "buffer")
            assert tensor["shape"] == tuple(values[name].shape)
            if tensor["tied_to"] is not None:
                assert values[name] is values[tensor["tied_to"]]
            if tensor["name"] in layer.stored:
                assert torch.equal(layer.read(tensor["name"]), values[name])
            else:
                assert tensor["kind"] == "buffer", f"{name} is not stored"
    assert seen == set(values)


@pytest.mark.parametrize("case", MODELS)
def test_what_transformers_saved_and_loads(tmp_path: Path, case: str) -> None:
    model = build(*MODELS[case])
    model.save_pretrained(tmp_path, max_shard_size="6KB" if "sharded" in case else "5GB")
    found = described(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert found.class_name == f"{type(model).__module__}.{type(model).__qualname__}"
    assert found.problems == []
    assert_is(found, loaded)
    assert own_bytes(found) == loaded.get_memory_footprint()


def test_a_real_sentence_encoder(minilm: Path) -> None:
    found = described(minilm)
    loaded = transformers.AutoModel.from_pretrained(minilm)
    assert found.problems == []
    assert_is(found, loaded)
    assert own_bytes(found) == loaded.get_memory_footprint()


def test_gamma_and_beta_and_the_heads_prefix(tmp_path: Path) -> None:
    """A checkpoint with the names of 2018, of a model with a head, opened as the base model."""
    model = build("BertForMaskedLM", SIZES)
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor
        for name, tensor in model.state_dict().items()
    }
    state = {
        name.replace("LayerNorm.bias", "LayerNorm.beta"): tensor.clone() for name, tensor in state.items()
    }
    torch.save(state, tmp_path / "pytorch_model.bin")
    model.config.architectures = ["BertModel"]
    model.config.save_pretrained(tmp_path)
    found = described(tmp_path)
    missing = {"pooler.dense.weight", "pooler.dense.bias"}
    assert [problem.code for problem in found.problems] == ["unexpected-tensors", "missing-tensors"]
    assert "cls.predictions" in found.problems[0].message
    pooler = found.layers[-1]
    assert (pooler.stored, pooler.note) == (frozenset(), "not in the checkpoint: weight, bias")
    with pytest.raises(CheckpointError, match=r"does not hold pooler\.dense\.weight"):
        pooler.read("weight")
    for layer in found.layers[:-1]:
        for name in layer.stored:
            expected = model.bert.get_submodule(layer.path).state_dict()[name]
            assert torch.equal(layer.read(name), expected)
    stored = {full_name(layer.path, name) for layer in found.layers for name in layer.stored}
    assert set(model.bert.state_dict()) | missing == stored | missing


def test_what_the_class_calls_harmless_is_no_problem(tmp_path: Path) -> None:
    """Marian's sinusoidal positions are never saved, and its class says so."""
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 60, "pad_token_id": 0}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_start_token_id": 0}
    model = build("MarianMTModel", {**sizes, **heads, "max_position_embeddings": 20})
    model.save_pretrained(tmp_path)
    found = described(tmp_path)
    positions = next(layer for layer in found.layers if layer.path == "model.encoder.embed_positions")
    assert (positions.stored, found.problems) == (frozenset(), [])
    assert own_bytes(found) == type(model).from_pretrained(tmp_path).get_memory_footprint()


def test_the_rules_of_transformers_4(tmp_path: Path) -> None:
    """The renaming for a transformers without a conversion mapping finds every key."""
    model = build("BertForMaskedLM", SIZES)
    state = {name.replace("bert.", "").replace("LayerNorm.weight", "LayerNorm.gamma"): tensor.clone()
             for name, tensor in model.state_dict().items()}  # fmt: skip
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    targets = _names(model)
    with open_checkpoint(str(tmp_path / "model.safetensors")) as checkpoint:
        matched = _match_renamed(checkpoint, targets, _older_renaming(model, targets))
    assert matched.unexpected == {}
    assert set(matched.sources) == set(model.state_dict())


def test_ties_that_the_file_breaks_are_no_ties(tmp_path: Path) -> None:
    model = build("LlamaForCausalLM", {**SIZES, "tie_word_embeddings": True})
    model.config.architectures = ["LlamaForCausalLM"]
    model.config.save_pretrained(tmp_path)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    assert described(tmp_path).layers[-1].tensors[0]["tied_to"] == "model.embed_tokens.weight"
    state["lm_head.weight"] += 1
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    head = described(tmp_path).layers[-1]
    assert (head.path, head.tensors[0]["tied_to"]) == ("lm_head", None)
    assert torch.equal(head.read("weight"), state["lm_head.weight"])


def quantized_by(method: str) -> Any:
    """A configuration by which transformers quantizes what it loads."""
    pytest.importorskip("accelerate")
    pytest.importorskip(method)
    if method == "torchao":
        from torchao.quantization import Int8WeightOnlyConfig

        return transformers.TorchAoConfig(Int8WeightOnlyConfig(version=2))
    return transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_use_double_quant=True)


@pytest.mark.parametrize("method", ["bitsandbytes", "torchao"])
def test_a_quantized_weight_is_what_it_was_and_takes_what_its_codes_and_scales_take(
    tmp_path: Path, method: str
) -> None:
    """Files that transformers wrote: the parameters of the model before, every stored byte counted."""
    build("LlamaForCausalLM", SIZES).save_pretrained(tmp_path / "before")
    options = {"quantization_config": quantized_by(method), "device_map": "cpu"}
    model = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "before", **options)
    model.save_pretrained(tmp_path / "after")
    before, found = described(tmp_path / "before"), described(tmp_path / "after")
    assert (found.class_name, found.problems) == (before.class_name, [])
    assert [(layer.path, layer.type) for layer in found.layers] == [(x.path, x.type) for x in before.layers]
    tensors, theirs = ([t for layer in x.layers for t in layer.tensors] for x in (found, before))
    assert [(t["name"], t["kind"], t["shape"]) for t in tensors] == [
        (t["name"], t["kind"], t["shape"]) for t in theirs
    ]
    assert {t["dtype"] for t in tensors} == {method, "float32"}
    stored = safetensors.torch.load_file(tmp_path / "after" / "model.safetensors").values()
    assert sum(t["bytes"] for t in tensors if t["kind"] == "parameter") == sum(t.nbytes for t in stored)
    with open_checkpoint(str(tmp_path / "after" / "model.safetensors")) as checkpoint:
        bare = {layer.path: layer for layer in infer_layers(checkpoint)}
    for layer in found.layers:
        own = [t for t in layer.tensors if t["kind"] == "parameter"]
        assert not own or (bare[layer.path].tensors, bare[layer.path].stored) == (own, layer.stored)


def tensors_of(state: dict[str, torch.Tensor], folder: Path) -> list[tuple[Any, ...]]:
    safetensors.torch.save_file(state, folder / "w.safetensors")
    with open_checkpoint(str(folder / "w.safetensors")) as checkpoint:
        (layer,) = infer_layers(checkpoint)
    assert layer.stored == {t["name"] for t in layer.tensors if t["dtype"] == "float32"}
    return [(layer.type, t["name"], t["kind"], t["shape"], t["dtype"], t["bytes"]) for t in layer.tensors]


INT32, INT8, FP8 = torch.int32, torch.int8, torch.float8_e4m3fn
PARTS: dict[str, tuple[str, dict[str, torch.Tensor]]] = {
    "GPTQ": (
        "gptq",
        {
            "qweight": torch.zeros(8, 96, dtype=INT32),
            "qzeros": torch.zeros(2, 12, dtype=INT32),
            "scales": torch.ones(2, 96).half(),
            "g_idx": torch.zeros(64, dtype=INT32),
        },
    ),
    "GPTQ, 3 bits": (
        "gptq",
        {
            "qweight": torch.zeros(6, 96, dtype=INT32),
            "qzeros": torch.zeros(2, 9, dtype=INT32),
            "scales": torch.ones(2, 96).half(),
        },
    ),
    "AWQ": (
        "gptq",
        {
            "qweight": torch.zeros(64, 12, dtype=INT32),
            "qzeros": torch.zeros(2, 12, dtype=INT32),
            "scales": torch.ones(2, 96).half(),
        },
    ),
    "quanto": (
        "quanto",
        {
            "weight._data": torch.zeros(96, 64, dtype=INT8),
            "weight._scale": torch.ones(96, 1),
            "input_scale": torch.ones(()),
        },
    ),
    "quanto, 4 bits": (
        "quanto",
        {
            "weight._data._data": torch.zeros(48, 64, dtype=torch.uint8),
            "weight._scale": torch.ones(96, 1),
            "weight._shift": torch.ones(96, 1),
        },
    ),
    "compressed-tensors": (
        "compressed-tensors",
        {
            "weight_packed": torch.zeros(96, 8, dtype=INT32),
            "weight_scale": torch.ones(96, 1),
            "weight_shape": torch.tensor([96, 64]),
        },
    ),
    "FP8": ("fp8", {"weight": torch.zeros(96, 64, dtype=FP8), "weight_scale": torch.ones(96, 1)}),
    "FP8 in blocks": (
        "fp8",
        {"weight": torch.zeros(96, 64, dtype=FP8), "weight_scale_inv": torch.ones(1, 1)},
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_what_a_bare_file_has_of_a_quantized_weight_is_one_parameter(tmp_path: Path, case: str) -> None:
    method, parts = PARTS[case]
    state = {f"net.x.{name}": tensor for name, tensor in {**parts, "bias": torch.ones(96)}.items()}
    weight = ("Linear", "weight", "parameter", (96, 64), method, sum(t.nbytes for t in parts.values()))
    bias = ("Linear", "bias", "parameter", (96,), "float32", 96 * 4)
    assert sorted(tensors_of(state, tmp_path)) == [bias, weight]


@pytest.mark.parametrize(
    "said", ["[" * 60_000, '{"shape": [1e9, 1]}', '{"shape": [-1, 64]}', '{"shape": [9999999]}']
)
def test_a_shape_that_cannot_be_is_that_of_the_codes(tmp_path: Path, said: str) -> None:
    state = {
        "x.weight": torch.zeros(32, 1, dtype=torch.uint8),
        "x.weight.absmax": torch.ones(1),
        "x.weight.quant_state.bitsandbytes__nf4": torch.tensor(list(said.encode()), dtype=torch.uint8),
    }
    ((_, name, _, shape, dtype, _),) = tensors_of(state, tmp_path)
    assert (name, shape, dtype) == ("weight", (32, 1), "bitsandbytes")


def test_names_alone_make_no_quantized_weight(tmp_path: Path) -> None:
    state = {"x.weight": torch.ones(3, 2), "x.weight_scale": torch.ones(3), "x.logit_scale": torch.ones(())}
    assert {name for _, name, *_ in tensors_of(state, tmp_path)} == {"weight", "weight_scale", "logit_scale"}


def test_a_weight_of_which_the_file_has_codes_and_scales_alone(tmp_path: Path) -> None:
    """As GPTQ writes it: the class is known, its Linear layers store other tensors, most of the bytes."""
    model = build("LlamaForCausalLM", {**SIZES, "vocab_size": 8, "bos_token_id": 1, "eos_token_id": 2})
    state = {}
    for name, tensor in model.state_dict().items():
        if "_proj" in name:
            rows, columns = tensor.shape
            state[name.replace("weight", "qweight")] = torch.zeros(columns // 8, rows, dtype=torch.int32)
            state[name.replace("weight", "scales")] = torch.ones(1, rows, dtype=torch.float16)
        else:
            state[name] = tensor
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    model.config.quantization_config = {"quant_method": "gptq", "bits": 4}
    model.config.architectures = ["LlamaForCausalLM"]
    (tmp_path / "config.json").write_text(json.dumps(model.config.to_dict()))
    found = described(tmp_path)
    layer = next(layer for layer in found.layers if layer.path.endswith("mlp.up_proj"))
    tensor = {"name": "weight", "kind": "parameter", "shape": (32, 16), "dtype": "gptq"}
    assert layer.type == "Linear"
    assert layer.tensors == [{**tensor, "bytes": 2 * 32 * 4 + 32 * 2, "requires_grad": True, "tied_to": None}]
    assert layer.stored == frozenset()
    assert layer.note == "stored quantized: qweight, scales"
    assert found.problems == []


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("step", torch.zeros(2))


def test_of_what_was_saved_from_the_meta_device_the_size_is_known(tmp_path: Path) -> None:
    state = dict(Net().state_dict())
    state["body.0.weight"] = torch.empty(4, 4, device="meta")
    state["embed.weight"] = state["head.weight"] = torch.empty(10, 4, device="meta")
    torch.save(state, tmp_path / "w.pt")
    with torch.device("meta"):
        built = Net()
    with open_checkpoint(str(tmp_path / "w.pt")) as checkpoint:
        for found in (describe(checkpoint), describe(checkpoint, model=built)):
            layer = next(layer for layer in found.layers if layer.path == "body.0")
            assert [(t["name"], t["shape"], t["bytes"]) for t in layer.tensors] == [
                ("weight", (4, 4), 64),
                ("bias", (4,), 16),
            ]
            assert layer.stored == set(layer.origins) == {"bias"}
            assert "saved without values: weight" in (layer.note or "")
            assert found.problems == []


def test_a_class_that_ties_what_was_saved_without_values(tmp_path: Path) -> None:
    model = build("LlamaForCausalLM", {**SIZES, "tie_word_embeddings": True})
    model.config.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))
    state = {name: torch.empty_like(tensor, device="meta") for name, tensor in model.state_dict().items()}
    torch.save(state, tmp_path / "pytorch_model.bin")
    found = described(tmp_path)
    assert (own_bytes(found), found.problems) == (model.get_memory_footprint(), [])
    assert not any(layer.stored for layer in found.layers)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model."])
def test_a_plain_module_and_its_state_dict(tmp_path: Path, prefix: str) -> None:
    """With the prefixes of DataParallel, torch.compile and Lightning."""
    torch.manual_seed(0)
    net = Net()
    torch.save({prefix + name: tensor for name, tensor in net.state_dict().items()}, tmp_path / "w.pt")
    with torch.device("meta"):
        built = Net()
    checkpoint = open_checkpoint(str(tmp_path / "w.pt"))
    assert_is(describe(checkpoint, model=built), net)
    assert [layer.path for layer in iterate_layers(checkpoint, model=built)] == [
        "",
        "embed",
        "body.0",
        "body.1",
        "head",
    ]


def test_another_models_file_falls_back(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a.weight": torch.ones(3, 2)}, tmp_path / "w.safetensors")
    with torch.device("meta"):
        built = Net()
    found = describe(open_checkpoint(str(tmp_path / "w.safetensors")), model=built)
    assert [problem.code for problem in found.problems] == ["class-mismatch"]
    assert [(layer.path, layer.type) for layer in found.layers] == [("a", "Linear")]


def test_types_of_a_bare_file_are_those_of_its_class(minilm: Path) -> None:
    """Inference from names and shapes, against the class that config.json names."""
    known = {layer.path: layer.type for layer in described(minilm).layers if layer.path != "embeddings"}
    with open_checkpoint(str(minilm / "model.safetensors")) as checkpoint:
        inferred = {layer.path: layer for layer in iterate_layers(checkpoint)}
    assert {path: inferred[path].type for path in known} == known
    assert all("inferred" in (inferred[path].note or "") for path in known)


BARE: dict[str, tuple[nn.Module, str]] = {
    "Linear": (nn.Linear(3, 4), "Linear"),
    "Conv1d": (nn.Conv1d(3, 4, 2), "Conv1d"),
    "Conv2d": (nn.Conv2d(3, 4, 2), "Conv2d"),
    "Conv3d": (nn.Conv3d(3, 4, 2), "Conv3d"),
    "LayerNorm": (nn.LayerNorm(4), "LayerNorm"),
    "BatchNorm2d": (nn.BatchNorm2d(4), "BatchNorm2d"),
    "LSTM": (nn.LSTM(3, 4), "LSTM"),
    "GRU": (nn.GRU(3, 4), "GRU"),
    "RNN": (nn.RNN(3, 4), "RNN"),
    "Conv1D": (transformers.pytorch_utils.Conv1D(5, 3), "Conv1D"),
}


@pytest.mark.parametrize("case", BARE)
def test_inferred_types(tmp_path: Path, case: str) -> None:
    module, expected = BARE[case]
    safetensors.torch.save_file(
        {f"net.x.{name}": tensor for name, tensor in module.state_dict().items()}, tmp_path / "w.safetensors"
    )
    with open_checkpoint(str(tmp_path / "w.safetensors")) as checkpoint:
        (layer,) = iterate_layers(checkpoint)
    mro = tuple(f"{base.__module__}.{base.__qualname__}" for base in type(module).__mro__)
    assert (layer.path, layer.type, layer.bases) == ("net.x", expected, mro)
    kinds = {name: "buffer" for name, _ in module.named_buffers()}
    for tensor in layer.tensors:
        assert tensor["kind"] == kinds.get(tensor["name"], "parameter")
        assert tensor["requires_grad"] == (tensor["kind"] == "parameter")
        assert torch.equal(layer.read(tensor["name"]), module.state_dict()[tensor["name"]])


def test_embeddings_are_told_by_their_names() -> None:
    """Every Embedding and Linear of some default architectures."""
    wrong = []
    for name in (
        "BertModel",
        "GPT2LMHeadModel",
        "T5ForConditionalGeneration",
        "GPTNeoXForCausalLM",
        "AlbertModel",
        "CLIPModel",
        "BartModel",
    ):
        found = getattr(transformers, name)
        with torch.device("meta"):
            model = found(
                found.config_class(bos_token_id=1, eos_token_id=2)
                if "Clip" not in name
                else found.config_class()
            )
        for path, module in model.named_modules():
            if isinstance(module, (nn.Embedding, nn.Linear)) and is_embedding(path) != isinstance(
                module, nn.Embedding
            ):
                wrong.append(f"{name}: {path}")
    assert wrong == []


def test_gguf_names(smollm: Path) -> None:
    with open_checkpoint(str(smollm)) as checkpoint:
        layers = list(iterate_layers(checkpoint))
    assert Counter(layer.type for layer in layers) == {
        "Linear": 7 * 30,
        "RMSNorm": 2 * 30 + 1,
        "Embedding": 1,
    }
    query = next(layer for layer in layers if layer.path == "blk.0.attn_q")
    assert (query.tensors[0]["shape"], query.tensors[0]["dtype"]) == ((576, 576), "Q4_1")
    assert query.read("weight").shape == (576, 576)


def test_ties_of_a_bare_torch_file(tmp_path: Path) -> None:
    torch.save(Net().state_dict(), tmp_path / "w.pt")
    with open_checkpoint(str(tmp_path / "w.pt")) as checkpoint:
        ties = {layer.path: layer.tensors[0]["tied_to"] for layer in iterate_layers(checkpoint)}
    assert ties == {"": None, "embed": None, "body.0": None, "body.1": None, "head": "embed.weight"}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"architectures": ["NoSuchModel"], "model_type": "bert"}, "unknown-class"),
        ({"architectures": ["pipeline"], "model_type": "bert"}, "unknown-class"),
        ({"architectures": [3], "model_type": "bert"}, "unknown-class"),
        ({"model_type": "no-such-type"}, "config-failed"),
        ({"model_type": "no-such-type", "auto_map": {"AutoConfig": "code.Config"}}, "config-failed"),
        ({"_class_name": "UNet2DConditionModel"}, "unknown-class"),
        (
            {"architectures": ["X"], "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}},
            "unknown-class",
        ),
        ({"architectures": ["BertModel"], "model_type": "bert", "hidden_size": "wide"}, "config-failed"),
        ({"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 7}, "config-failed"),
        (None, "no-config"),
        ([], "bad-header"),
    ],
)
def test_a_config_without_a_class_falls_back(tmp_path: Path, config: object, code: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'marker')!r}).touch()")
    safetensors.torch.save_file({"a.weight": torch.ones(3, 2)}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError) as caught:
        build_from_config(str(tmp_path))
    assert caught.value.code == code
    found = describe(open_checkpoint(str(tmp_path / "w.safetensors")), str(tmp_path))
    assert [problem.code for problem in found.problems] == [code]
    assert found.layers[0].type == "Linear"
    assert not (tmp_path / "marker").exists()


def test_without_transformers(minilm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CheckpointError) as caught:
        build_from_config(str(minilm))
    assert caught.value.code == "no-transformers"
    assert described(minilm).layers[0].type in ("Module", "Embedding", "LayerNorm")


def test_an_old_config_without_model_type(minilm: Path, tmp_path: Path) -> None:
    config = json.loads((minilm / "config.json").read_text())
    del config["model_type"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert type(build_from_config(str(tmp_path))) is transformers.BertModel
    del config["architectures"]
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    assert type(build_from_config(str(tmp_path))) is transformers.BertModel

"""What the libraries' functions do to a model, by their dotted names: the tables that facts and slices
read."""

from __future__ import annotations

import re

from bitlens.source.words import words

CHAINED = words(
    """
    to half float double bfloat16 cuda cpu xpu npu mps type eval train requires_grad_ apply to_empty
    share_memory merge_and_unload bettertransformer to_bettertransformer dequantize
    """
)
"""Methods of a module that give the module back."""

GIVES_BACK = re.compile(
    r"torch\.nn\.utils\.((parametrizations|prune)\.(?!is_)[a-z]\w*|parametrize\.(register|remove)_parametrizations?"
    r"|((weight|spectral)_norm\.)?((remove_)?(weight|spectral)_norm))$"
)
"""Functions of torch that change the module that they are given, and give it back."""

LOADERS = words(
    "from_pretrained from_config _from_config from_single_file load_from_checkpoint from_quantized"
)
"""Class methods that build a model."""

OTHER_WEIGHTS = re.compile(r"^(TF|Flax)[A-Z][a-z]")
"""Names of transformers' classes that are no torch modules."""

OTHER_FRAMEWORKS = words(
    """
    flax jax haiku equinox optax tensorflow keras tf_keras sklearn xgboost lightgbm catboost mlx paddle
    mindspore mxnet chainer tinygrad onnxruntime statsmodels
    """
)
"""Packages whose models are no torch modules."""

NOT_MODELS = re.compile(
    r"(Config|Configuration|Tokenizer|TokenizerFast|Processor|FeatureExtractor|Scheduler|Dataset|DataLoader|DataModule"
    r"|Trainer|Arguments|Args|Loss|Optimizer|Output|Collator|Logger|Callback|Writer|Sampler|Transform|Transforms|Mode"
    r"|Type|Error|Exception|Warning|Parser|Tensor|Metric|Accuracy|Meter|Strategy|Template|Enum|Cache|Device|Generator"
    r"|Vocab|Environment|Monitor|Timer|Accelerator|Checkpoint|EarlyStopping)$"
)
"""Last names of classes that are no modules, wherever they come from."""

MODELS = re.compile(
    r"(Net\w*|Model|Module|For[A-Z]\w+|Transformer\w*|Encoder|Decoder|Classifier|LSTM|GRU|RNN|CNN|GAN|VAE|MLP|GPT\w*|BERT"
    r"|Bert|ViT|UNet\w*|ResNet\w*|VGG\w*|CLIP|Former|Backbone|Head|Discriminator|Autoencoder|AutoEncoder|Student|Teacher)$"
    r"|^(ResNet|VGG|UNet|DenseNet|EfficientNet|MobileNet|Swin|ViT|AutoModel|Simple|Tiny|Toy)"
)
"""Names of imported classes that are taken for models where their source cannot be read."""

MODEL_MODULES = re.compile(
    r"(^|[._])(models?|networks?|nets?|modeling|architectures?|backbones?|layers?|blocks?)([._]|$)"
)
"""Modules whose classes are taken for models where their source cannot be read."""

MODEL_FUNCTIONS = words(
    """
    timm.create_model torch.hub.load torch.jit.load transformers.pipeline transformers.pipelines.pipeline
    open_clip.create_model open_clip.create_model_and_transforms open_clip.create_model_from_pretrained
    clip.load whisper.load_model segmentation_models_pytorch.create_model
    sentence_transformers.SentenceTransformer peft.get_peft_model peft.PeftModel.from_pretrained
    sentence_transformers.CrossEncoder
    """
)
"""Functions of libraries that give a model (or a tuple that starts with one)."""

TORCHVISION = re.compile(r"^torchvision\.models\.(\w+\.)*[a-z]\w*$")
TIMM = re.compile(r"^timm\.models\.(\w+\.)*[a-z]\w*$")

OTHER_ENGINES = {
    "vllm.LLM": "vLLM",
    "llama_cpp.Llama": "llama.cpp",
    "ctransformers.AutoModelForCausalLM.from_pretrained": "ctransformers",
}
"""Loaders whose models are no torch modules."""

CONVERSION_LIBRARIES = (
    ("optimum.quanto", "quanto"),
    ("quanto", "quanto"),
    ("torch.quantization", "torch.ao"),
    ("torch.ao.quantization", "torch.ao"),
    ("torchao", "torchao"),
    ("bitsandbytes", "bitsandbytes"),
    ("auto_gptq", "gptq"),
    ("gptqmodel", "gptq"),
    ("optimum.gptq", "gptq"),
    ("awq", "awq"),
    ("hqq", "hqq"),
    ("llmcompressor", "llmcompressor"),
    ("neural_compressor", "neural_compressor"),
    ("torch.nn.utils.prune", "prune"),
    ("peft", "peft"),
    ("vllm", "vllm"),
    ("llama_cpp", "gguf"),
    ("ctransformers", "gguf"),
)
"""Longest prefix of a dotted name to the library that facts name."""

CONFIGURATIONS = {
    "BitsAndBytesConfig": "bitsandbytes",
    "GPTQConfig": "gptq",
    "AwqConfig": "awq",
    "HqqConfig": "hqq",
    "QuantoConfig": "quanto",
    "TorchAoConfig": "torchao",
    "AqlmConfig": "aqlm",
    "EetqConfig": "eetq",
    "FbgemmFp8Config": "fbgemm",
    "FineGrainedFP8Config": "fp8",
    "HiggsConfig": "higgs",
    "VptqConfig": "vptq",
    "CompressedTensorsConfig": "compressed_tensors",
    "SpQRConfig": "spqr",
    "QuarkConfig": "quark",
}
"""Configuration classes of transformers that make from_pretrained quantize."""

RETURNS_MODEL = words(
    """
    prepare prepare_qat convert quantize quantize_dynamic quantize_qat fuse_modules fuse_modules_qat
    prepare_fx prepare_qat_fx convert_fx fuse_fx prepare_pt2e convert_pt2e quantize_model
    prepare_model_for_kbit_training replace_linear autoquant swap_linear_with_smooth_fq_linear
    """
)
"""Last names of conversion functions whose value is the converted model."""

NOT_A_CHANGE = frozenset({"torch.compile", "torch.jit.script", "torch.jit.trace", "torch.fx.symbolic_trace"})
"""Functions that give a program made from the model; its layers are the model's own."""


def library_of(dotted: str) -> str | None:
    """The quantization or pruning library to which a dotted name belongs; None for any other name."""
    last = dotted.rsplit(".", 1)[-1]
    if dotted.startswith(("transformers.", "diffusers.")):
        return CONFIGURATIONS.get(last)
    matches = [
        entry for entry in CONVERSION_LIBRARIES if dotted == entry[0] or dotted.startswith(entry[0] + ".")
    ]
    return max(matches, key=lambda entry: len(entry[0]))[1] if matches else None

# ruff: noqa: E501 (one row a line)
"""The parameters of every `torch.nn` layer: name, shape and condition, by constructor argument.

One row a layer: its signature as torch has it, and a function from the bound arguments to the tensors that it
makes.
The tests build each layer with torch itself and compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from bitlens.source.evaluate.symbolic import combine
from bitlens.source.evaluate.values import Unknown

Made = tuple[str, str, tuple[Any, ...] | None]
"""Kind (`parameter`, `buffer`, `none` for a name without tensor), name, shape."""


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of the table."""

    name: str
    parameters: tuple[tuple[str, Any], ...]
    """Names and defaults of the constructor; REQUIRED where there is none."""
    tensors: Callable[[SimpleNamespace], Iterator[Made]] | None
    base: str = "Module"
    buffer_dtypes: tuple[tuple[str, str], ...] = ()


REQUIRED = object()


def times(a: Any, b: Any) -> Any:
    """Product of two sizes, one of which may be symbolic."""
    if isinstance(a, Unknown) or isinstance(b, Unknown):
        return combine("mul", a, b)
    return a * b


def _divided(a: Any, b: Any) -> Any:
    if isinstance(a, Unknown) or isinstance(b, Unknown):
        return combine("floordiv", a, b)
    return a // b


def repeated(value: Any, count: int) -> tuple[Any, ...]:
    """`3` or `(3, 3)` as a tuple of `count` sizes."""
    if isinstance(value, tuple | list):
        return tuple(value)
    return (value,) * count


def _truthy(value: Any) -> bool:
    return bool(value) if not isinstance(value, Unknown) else True


def _parameter(name: str, *shape: Any) -> Made:
    return "parameter", name, shape


def _optional(name: str, condition: Any, *shape: Any) -> Made:
    return ("parameter" if _truthy(condition) else "none"), name, shape


def linear(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.Linear`."""
    yield _parameter("weight", a.out_features, a.in_features)
    yield _optional("bias", a.bias, a.out_features)


def bilinear(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.Bilinear`."""
    yield _parameter("weight", a.out_features, a.in1_features, a.in2_features)
    yield _optional("bias", a.bias, a.out_features)


def convolution(dimensions: int, transposed: bool) -> Callable[[SimpleNamespace], Iterator[Made]]:
    """`nn.Conv1d` … `nn.ConvTranspose3d`."""

    def tensors(a: SimpleNamespace) -> Iterator[Made]:
        first, second = (a.in_channels, a.out_channels) if transposed else (a.out_channels, a.in_channels)
        kernel = repeated(a.kernel_size, dimensions)
        yield _parameter("weight", first, _divided(second, a.groups), *kernel)
        yield _optional("bias", a.bias, a.out_channels)

    return tensors


def batch_norm(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.BatchNorm*d` and `nn.InstanceNorm*d`."""
    yield _optional("weight", a.affine, a.num_features)
    yield _optional("bias", _truthy(a.affine) and _truthy(a.bias), a.num_features)
    if _truthy(a.track_running_stats):
        yield "buffer", "running_mean", (a.num_features,)
        yield "buffer", "running_var", (a.num_features,)
        yield "buffer", "num_batches_tracked", ()


def layer_norm(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.LayerNorm`."""
    shape = repeated(a.normalized_shape, 1)
    yield _optional("weight", a.elementwise_affine, *shape)
    yield _optional("bias", _truthy(a.elementwise_affine) and _truthy(a.bias), *shape)


def rms_norm(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.RMSNorm`."""
    yield _optional("weight", a.elementwise_affine, *repeated(a.normalized_shape, 1))


def group_norm(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.GroupNorm`."""
    yield _optional("weight", a.affine, a.num_channels)
    yield _optional("bias", a.affine and getattr(a, "bias", True), a.num_channels)


def embedding(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.Embedding`, `nn.EmbeddingBag`."""
    yield _parameter("weight", a.num_embeddings, a.embedding_dim)


def prelu(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.PReLU`."""
    yield _parameter("weight", a.num_parameters)


def recurrent(gates: int) -> Callable[[SimpleNamespace], Iterator[Made]]:
    """`nn.RNN`, `nn.LSTM`, `nn.GRU`."""

    def tensors(a: SimpleNamespace) -> Iterator[Made]:
        directions = 2 if _truthy(a.bidirectional) else 1
        projection = getattr(a, "proj_size", 0) or 0
        output = projection or a.hidden_size
        rows = times(gates, a.hidden_size)
        for layer in range(a.num_layers if isinstance(a.num_layers, int) else 1):
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                entering = a.input_size if layer == 0 else times(output, directions)
                yield _parameter(f"weight_ih{suffix}", rows, entering)
                yield _parameter(f"weight_hh{suffix}", rows, output)
                if _truthy(a.bias):
                    yield _parameter(f"bias_ih{suffix}", rows)
                    yield _parameter(f"bias_hh{suffix}", rows)
                if projection:
                    yield _parameter(f"weight_hr{suffix}", projection, a.hidden_size)

    return tensors


def cell(gates: int) -> Callable[[SimpleNamespace], Iterator[Made]]:
    """`nn.RNNCell`, `nn.LSTMCell`, `nn.GRUCell`."""

    def tensors(a: SimpleNamespace) -> Iterator[Made]:
        rows = times(gates, a.hidden_size)
        yield _parameter("weight_ih", rows, a.input_size)
        yield _parameter("weight_hh", rows, a.hidden_size)
        yield _optional("bias_ih", a.bias, rows)
        yield _optional("bias_hh", a.bias, rows)

    return tensors


def attention(a: SimpleNamespace) -> Iterator[Made]:
    """`nn.MultiheadAttention` itself; its `out_proj` is a module of its own."""
    same = a.kdim in (None, a.embed_dim) and a.vdim in (None, a.embed_dim)
    key, value = (a.embed_dim if size is None else size for size in (a.kdim, a.vdim))
    if same:
        yield _parameter("in_proj_weight", times(3, a.embed_dim), a.embed_dim)
        yield from (("none", name, ()) for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"))
    else:
        yield _parameter("q_proj_weight", a.embed_dim, a.embed_dim)
        yield _parameter("k_proj_weight", a.embed_dim, key)
        yield _parameter("v_proj_weight", a.embed_dim, value)
        yield "none", "in_proj_weight", ()
    yield _optional("in_proj_bias", a.bias, times(3, a.embed_dim))
    yield _optional("bias_k", a.add_bias_kv, 1, 1, a.embed_dim)
    yield _optional("bias_v", a.add_bias_kv, 1, 1, a.embed_dim)


def _row(text: str, tensors: Any = None, base: str = "Module", **dtypes: str) -> Row:
    name, _, rest = text.partition(" ")
    parameters = []
    for part in rest.split():
        argument, equal, default = part.partition("=")
        parameters.append((argument, _DEFAULTS.get(default, default) if equal else REQUIRED))
    return Row(name, tuple(parameters), tensors, base, tuple(dtypes.items()))


_DEFAULTS: dict[str, Any] = {"True": True, "False": False, "None": None, "zeros": "zeros"}
_DEFAULTS.update({text: int(text) for text in ("0", "1", "2", "3", "10", "50", "-1")})
_DEFAULTS.update(
    {
        text: float(text)
        for text in ("0.5", "1e-05", "1e-06", "1e-12", "0.1", "0.01", "1.0", "0.25", "0.0", "6.0")
    }
)
_DEFAULTS.update({"0.125": 0.125, "0.333": 1 / 3, "20.0": 20.0, "1e-4": 1e-4, "0.75": 0.75, "2.0": 2.0})
_CONV = (
    "in_channels out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True padding_mode=zeros"
)
_TRANS = "in_channels out_channels kernel_size stride=1 padding=0 output_padding=0 groups=1 bias=True dilation=1 padding_mode=zeros"
_BATCH = "num_features eps=1e-05 momentum=0.1 affine=True track_running_stats=True"
_INSTANCE = "num_features eps=1e-05 momentum=0.1 affine=False track_running_stats=False"
_RNN = "input_size hidden_size num_layers=1 bias=True batch_first=False dropout=0.0 bidirectional=False"
_CELL = "input_size hidden_size bias=True"
_TAIL = " device=None dtype=None"
_COUNT = {"num_batches_tracked": "int64"}

ROWS = [
    _row("Linear in_features out_features bias=True" + _TAIL, linear),
    _row("NonDynamicallyQuantizableLinear in_features out_features bias=True" + _TAIL, linear, "Linear"),
    _row("Bilinear in1_features in2_features out_features bias=True" + _TAIL, bilinear),
    *(_row(f"Conv{d}d {_CONV}{_TAIL}", convolution(d, False), "_ConvNd") for d in (1, 2, 3)),
    *(
        _row(f"ConvTranspose{d}d {_TRANS}{_TAIL}", convolution(d, True), "_ConvTransposeNd")
        for d in (1, 2, 3)
    ),
    *(
        _row(f"BatchNorm{d}d {_BATCH}{_TAIL} bias=True", batch_norm, "_BatchNorm", **_COUNT)
        for d in (1, 2, 3)
    ),
    _row(f"SyncBatchNorm {_BATCH} process_group=None{_TAIL} bias=True", batch_norm, "_BatchNorm", **_COUNT),
    *(
        _row(f"InstanceNorm{d}d {_INSTANCE}{_TAIL} bias=True", batch_norm, "_InstanceNorm", **_COUNT)
        for d in (1, 2, 3)
    ),
    _row("LayerNorm normalized_shape eps=1e-05 elementwise_affine=True bias=True" + _TAIL, layer_norm),
    _row("RMSNorm normalized_shape eps=None elementwise_affine=True" + _TAIL, rms_norm),
    _row("GroupNorm num_groups num_channels eps=1e-05 affine=True" + _TAIL + " bias=True", group_norm),
    _row(
        "Embedding num_embeddings embedding_dim padding_idx=None max_norm=None norm_type=2.0 scale_grad_by_freq=False"
        " sparse=False _weight=None _freeze=False" + _TAIL,
        embedding,
    ),
    _row(
        "EmbeddingBag num_embeddings embedding_dim max_norm=None norm_type=2.0 scale_grad_by_freq=False mode=mean"
        " sparse=False _weight=None include_last_offset=False padding_idx=None" + _TAIL,
        embedding,
    ),
    _row("PReLU num_parameters=1 init=0.25" + _TAIL, prelu),
    _row(f"RNN {_RNN} nonlinearity=tanh proj_size=0{_TAIL}", recurrent(1), "RNNBase"),
    _row(f"LSTM {_RNN} proj_size=0{_TAIL}", recurrent(4), "RNNBase"),
    _row(f"GRU {_RNN} proj_size=0{_TAIL}", recurrent(3), "RNNBase"),
    _row(f"RNNCell {_CELL} nonlinearity=tanh{_TAIL}", cell(1), "RNNCellBase"),
    _row(f"LSTMCell {_CELL}{_TAIL}", cell(4), "RNNCellBase"),
    _row(f"GRUCell {_CELL}{_TAIL}", cell(3), "RNNCellBase"),
    _row(
        "MultiheadAttention embed_dim num_heads dropout=0.0 bias=True add_bias_kv=False add_zero_attn=False kdim=None"
        " vdim=None batch_first=False" + _TAIL,
        attention,
    ),
]
_PLAIN = """
Identity | ReLU inplace=False | ReLU6 inplace=False | GELU approximate=none | SiLU inplace=False | Sigmoid | Tanh
ELU alpha=1.0 inplace=False | SELU inplace=False | CELU alpha=1.0 inplace=False | LeakyReLU negative_slope=0.01 inplace=False
Hardswish inplace=False | Hardsigmoid inplace=False | Hardtanh min_val=-1 max_val=1 inplace=False min_value=None max_value=None | Mish inplace=False
Softplus beta=1.0 threshold=20.0 | Softmax dim=None | LogSoftmax dim=None | Softmin dim=None | Softsign | Tanhshrink
LogSigmoid | GLU dim=-1 | RReLU lower=0.125 upper=0.333 inplace=False | Hardshrink lambd=0.5 | Softshrink lambd=0.5
Threshold threshold value inplace=False | Softmax2d | Dropout p=0.5 inplace=False | Dropout1d p=0.5 inplace=False
Dropout2d p=0.5 inplace=False | Dropout3d p=0.5 inplace=False | AlphaDropout p=0.5 inplace=False
FeatureAlphaDropout p=0.5 inplace=False | Flatten start_dim=1 end_dim=-1 | Unflatten dim unflattened_size
PixelShuffle upscale_factor | PixelUnshuffle downscale_factor | ChannelShuffle groups
Upsample size=None scale_factor=None mode=nearest align_corners=None recompute_scale_factor=None
UpsamplingNearest2d size=None scale_factor=None | UpsamplingBilinear2d size=None scale_factor=None
CosineSimilarity dim=1 eps=1e-06 | PairwiseDistance p=2.0 eps=1e-06 keepdim=False
LocalResponseNorm size alpha=1e-4 beta=0.75 k=1.0 | CrossMapLRN2d size alpha=1e-4 beta=0.75 k=1
Fold output_size kernel_size dilation=1 padding=0 stride=1 | Unfold kernel_size dilation=1 padding=0 stride=1
""".replace("\n", " | ").split(" | ")
_POOLS = [
    *(
        f"MaxPool{d}d kernel_size stride=None padding=0 dilation=1 return_indices=False ceil_mode=False"
        for d in (1, 2, 3)
    ),
    "AvgPool1d kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True",
    *(
        f"AvgPool{d}d kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True divisor_override=None"
        for d in (2, 3)
    ),
    *(f"AdaptiveAvgPool{d}d output_size" for d in (1, 2, 3)),
    *(f"AdaptiveMaxPool{d}d output_size return_indices=False" for d in (1, 2, 3)),
    *(f"MaxUnpool{d}d kernel_size stride=None padding=0" for d in (1, 2, 3)),
    *(f"LPPool{d}d norm_type kernel_size stride=None ceil_mode=False" for d in (1, 2, 3)),
    *(
        f"FractionalMaxPool{d}d kernel_size output_size=None output_ratio=None return_indices=False _random_samples=None"
        for d in (2, 3)
    ),
    *(
        f"{kind}Pad{d}d padding"
        for d in (1, 2, 3)
        for kind in ("Reflection", "Replication", "Zero", "Circular")
    ),
    *(f"ConstantPad{d}d padding value" for d in (1, 2, 3)),
]
_LOSSES = (
    "L1Loss MSELoss CrossEntropyLoss NLLLoss NLLLoss2d PoissonNLLLoss GaussianNLLLoss KLDivLoss BCELoss"
    " BCEWithLogitsLoss MarginRankingLoss HingeEmbeddingLoss MultiLabelMarginLoss HuberLoss SmoothL1Loss SoftMarginLoss"
    " MultiLabelSoftMarginLoss CosineEmbeddingLoss MultiMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss"
    " CTCLoss"
)
ROWS += [_row(text.strip()) for text in (*_PLAIN, *_POOLS) if text.strip()]
LOSSES = tuple(_LOSSES.split())
BASES = {
    "_ConvNd": "Module",
    "_ConvTransposeNd": "_ConvNd",
    "_NormBase": "Module",
    "_BatchNorm": "_NormBase",
    "_InstanceNorm": "_NormBase",
    "RNNBase": "Module",
    "RNNCellBase": "Module",
}
"""Abstract classes between `Module` and the layers."""
LAZY = {
    "LazyLinear": ("Linear", "in_features"),
    **{f"LazyConv{d}d": (f"Conv{d}d", "in_channels") for d in (1, 2, 3)},
    **{f"LazyConvTranspose{d}d": (f"ConvTranspose{d}d", "in_channels") for d in (1, 2, 3)},
    **{f"LazyBatchNorm{d}d": (f"BatchNorm{d}d", "num_features") for d in (1, 2, 3)},
    **{f"LazyInstanceNorm{d}d": (f"InstanceNorm{d}d", "num_features") for d in (1, 2, 3)},
}
"""Layers whose first size is only known after a first input: their class and the argument left out."""

"""torch.ao.quantization: `quantize_dynamic(model)`, and eager static quantization with a configuration."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_MODULES = "torch.nn.modules."
_DYNAMIC = ("linear.Linear", "rnn.LSTM", "rnn.GRU", "rnn.LSTMCell", "rnn.GRUCell", "rnn.RNNCell")
_STATIC = ("linear.Linear", "linear.NonDynamicallyQuantizableLinear", "conv.Conv1d", "conv.Conv2d")
_BY_ENGINE = {
    "torch_ao.x86_int8": ("conv.Conv3d",),
    "torch_ao.qnnpack_int8": ("conv.ConvTranspose1d", "conv.ConvTranspose2d"),
}
"""What only one engine packs."""
_RAISES = {
    "rnn.GRU": "prepare() cannot observe its output",
    "sparse.Embedding": "it wants another configuration for embeddings; set their qconfig to None",
    "sparse.EmbeddingBag": "it wants another configuration for embeddings; set their qconfig to None",
    "conv.Conv3d": "this engine has no three-dimensional convolution",
    "conv.ConvTranspose3d": "this engine has no three-dimensional convolution",
    "conv.ConvTranspose1d": "it has no scales per channel for transposed convolutions",
    "conv.ConvTranspose2d": "it has no scales per channel for transposed convolutions",
}
_EXCHANGED = ("rnn.LSTM", "activation.MultiheadAttention")
_NORMS = {
    "batchnorm.BatchNorm2d": 4 + 4,
    "batchnorm.BatchNorm3d": 4 + 4,
    "normalization.LayerNorm": 4 + 8,
    "normalization.GroupNorm": 4 + 8,
}
"""Bytes of the output's scale and zero point, which static quantization adds as buffers."""


class TorchAoBackend:
    """Converts exact types, no subclasses: quantize_dynamic leaves MultiheadAttention's out_proj alone."""

    name = "torch_ao"
    title = "torch.ao.quantization"
    distribution = None
    aliases: ClassVar[dict[str, str]] = {
        "torch_ao.dynamic": "torch_ao.dynamic_int8",
        "torch_ao.x86": "torch_ao.x86_int8",
        "torch_ao.fbgemm": "torch_ao.x86_int8",
        "torch_ao.qnnpack": "torch_ao.qnnpack_int8",
    }

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """A recurrent layer has several weights, each with its own scale; biases stay."""
        types = _DYNAMIC if scheme.id == "torch_ao.dynamic_int8" else _STATIC + _BY_ENGINE[scheme.id]
        kind = layer.bases[0].removeprefix(_MODULES) if layer.bases else ""
        if kind not in types:
            return self._left_alone(layer, kind, types)
        if not layer.path:
            return left_alone("torch.ao does not exchange a bare layer; put it into a module")
        weights = [t for t in layer.tensors if t.kind == "parameter" and t.name.startswith("weight")]
        if not weights or any(t.dtype not in WEIGHT_DTYPES for t in weights):
            return left_alone("its weight is no floating parameter of its own")
        return Decision({t.name: 0 for t in weights}, keeps_ties=False)

    def _left_alone(self, layer: LayerFacts, kind: str, types: tuple[str, ...]) -> Decision:
        if types is not _DYNAMIC:
            if kind in _RAISES:
                return left_alone(f"torch.ao raises for {layer.type}: {_RAISES[kind]}")
            if kind in _EXCHANGED:
                return left_alone(
                    f"torch.ao exchanges {layer.type} for a class of its own, not measured here"
                )
            if kind in _NORMS:
                why = f"torch.ao keeps the weights of {layer.type} in float"
                return Decision(reason=why, added_buffers=_NORMS[kind])
        names = ", ".join(name.rpartition(".")[2] for name in types)
        return left_alone(f"torch.ao converts exactly {names} here, not {layer.type}")

    def snippet(self, scheme: Scheme, model: str = "model") -> str:
        """The dynamic call, or the static steps around a calibration that the user writes."""
        if scheme.id == "torch_ao.dynamic_int8":
            call = f"{model} = quantize_dynamic({model}, dtype=torch.qint8)\n"
            return f"import torch\nfrom torch.ao.quantization import quantize_dynamic\n\n{call}"
        engine = "qnnpack" if "qnnpack" in scheme.id else "x86"
        return (
            "from torch.ao.quantization import convert, get_default_qconfig, prepare\n\n"
            f'{model}.qconfig = get_default_qconfig("{engine}")\n'
            f"{model} = prepare({model})\n"
            f"# Run {model} on samples of real input here.\n"
            f"{model} = convert({model})\n"
        )


BACKEND = TorchAoBackend()

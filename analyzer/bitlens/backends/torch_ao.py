"""torch.ao.quantization: `quantize_dynamic(model)`, and eager static quantization with a configuration."""

from __future__ import annotations

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_LINEAR = "torch.nn.modules.linear.Linear"
_RECURRENT = tuple(
    f"torch.nn.modules.rnn.{name}" for name in ("LSTM", "GRU", "LSTMCell", "GRUCell", "RNNCell")
)
_CONVOLUTIONS = tuple(f"torch.nn.modules.conv.Conv{n}d" for n in (1, 2, 3))


class TorchAoBackend:
    """Converts exact types, no subclasses: MultiheadAttention's out_proj stays, so does a custom Linear."""

    name = "torch_ao"
    title = "torch.ao.quantization"
    distribution = None

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """A recurrent layer has several weights, each with its own scale; biases stay."""
        dynamic = scheme.id == "torch_ao.dynamic_int8"
        types = (_LINEAR, *(_RECURRENT if dynamic else _CONVOLUTIONS))
        if layer.bases[:1] not in [(name,) for name in types]:
            names = ", ".join(name.rpartition(".")[2] for name in types)
            return left_alone(f"torch.ao converts exactly {names} here, not {layer.type}")
        weights = [t for t in layer.tensors if t.kind == "parameter" and t.name.startswith("weight")]
        if not weights or any(t.dtype not in WEIGHT_DTYPES for t in weights):
            return left_alone("its weight is no floating parameter of its own")
        return Decision({t.name: 0 for t in weights}, keeps_ties=False)

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

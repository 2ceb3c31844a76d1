"""bitsandbytes 0.50 as transformers calls it: `from_pretrained(quantization_config=BitsAndBytesConfig())`."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import KEPT_HEAD, KEPT_IN_FLOAT32, Decision, LayerFacts, cast_all, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_CONV1D = "transformers.pytorch_utils.Conv1D"
_LINEAR = "torch.nn.modules.linear.Linear"


class BitsandbytesBackend:
    """Replaces Linear and GPT-2's Conv1D (transposed first); heads and tied weights stay in float."""

    name = "bitsandbytes"
    title = "bitsandbytes"
    distribution = "bitsandbytes"
    aliases: ClassVar[dict[str, str]] = {}

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """No subclass of Linear; not the output embedding, tied or not; not what a class keeps in float32."""
        if layer.kept == KEPT_IN_FLOAT32:
            half = any(tensor.dtype == "float16" for tensor in layer.tensors)
            return left_alone(layer.kept, cast_all(layer, "float32") if half else None)
        if layer.bases[:1] != (_LINEAR,) and not layer.is_a(_CONV1D):
            return left_alone(f"transformers replaces exactly Linear, and Conv1D, not {layer.type}")
        weight = layer.tensor("weight")
        if weight is None or weight.kind != "parameter":
            return left_alone("its weight is computed, not a parameter of its own")
        if weight.dtype not in WEIGHT_DTYPES:
            return left_alone(f"its weight is {weight.dtype}, not a float to be quantized")
        if weight.tied_to is not None or layer.kept:
            return left_alone(layer.kept or KEPT_HEAD)
        refusal = scheme.refuses(weight.shape, weight.dtype)
        if refusal is not None:
            return left_alone(refusal)
        return Decision({"weight": 1 if layer.is_a(_CONV1D) else 0}, keeps_ties=False)

    def snippet(self, scheme: Scheme, model: str = "model") -> str:
        """The configuration to pass to from_pretrained."""
        kind, _, double = scheme.id.split(".", 1)[1].partition("_")
        options = "load_in_8bit=True"
        if kind != "int8":
            options = f'load_in_4bit=True, bnb_4bit_quant_type="{kind}"' + (
                ", bnb_4bit_use_double_quant=True" if double else ""
            )
        return (
            "from transformers import BitsAndBytesConfig\n\n"
            f"quantization_config = BitsAndBytesConfig({options})\n"
        )


BACKEND = BitsandbytesBackend()

"""torchao 0.18: `quantize_(model, Config())` with its default filter."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_CALLS = {
    "torchao.int8_weight_only": ("Int8WeightOnlyConfig", "Int8WeightOnlyConfig()"),
    "torchao.int8_dynamic": (
        "Int8DynamicActivationInt8WeightConfig",
        "Int8DynamicActivationInt8WeightConfig()",
    ),
    "torchao.float8_weight_only": ("Float8WeightOnlyConfig", "Float8WeightOnlyConfig()"),
    "torchao.int4_weight_only": ("Int4WeightOnlyConfig", "Int4WeightOnlyConfig(group_size=128)"),
    "torchao.intx4_g32": (
        "IntxWeightOnlyConfig, PerGroup",
        "IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32))",
    ),
}
"""Scheme id to what is imported from torchao.quantization and the configuration that is passed."""


class TorchaoBackend:
    """Replaces the weight of every Linear and subclass, but not of MultiheadAttention's out_proj."""

    name = "torchao"
    title = "torchao"
    distribution = "torchao"
    aliases: ClassVar[dict[str, str]] = {
        "torchao.int8": "torchao.int8_weight_only",
        "torchao.float8": "torchao.float8_weight_only",
        "torchao.int4": "torchao.int4_weight_only",
        "torchao.intx4": "torchao.intx4_g32",
    }

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """A converted weight is no longer tied to anything."""
        if layer.is_a("torch.nn.modules.linear.NonDynamicallyQuantizableLinear"):
            return left_alone("torchao leaves MultiheadAttention's output projection alone")
        if not layer.is_a("torch.nn.modules.linear.Linear"):
            return left_alone(f"torchao converts Linear only, not {layer.type}")
        weight = layer.tensor("weight")
        if weight is None or weight.kind != "parameter":
            return left_alone("its weight is computed, not a parameter of its own")
        if weight.dtype not in WEIGHT_DTYPES:
            return left_alone(f"its weight is {weight.dtype}, not a float to be quantized")
        refusal = scheme.refuses(weight.shape, weight.dtype)
        if refusal is not None:
            return left_alone(refusal)
        return Decision({"weight": 0}, keeps_ties=False)

    def snippet(self, scheme: Scheme, model: str = "model") -> str:
        """The library's own call."""
        names, config = _CALLS[scheme.id]
        imports = "import torch\n" if "torch." in config else ""
        imports += f"from torchao.quantization import {names}, quantize_\n"
        return f"{imports}\nquantize_({model}, {config})\n"


BACKEND = TorchaoBackend()

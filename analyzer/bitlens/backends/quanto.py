"""optimum-quanto 0.2: `quantize(model, weights=…)` and `freeze(model)`, no include or exclude patterns."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import ITEM_BYTES, WEIGHT_DTYPES, Scheme

_CONVERTED = ("torch.nn.modules.linear.Linear", "torch.nn.modules.conv.Conv2d")
_ALREADY = "optimum.quanto.nn.qmodule.QModuleMixin"


class QuantoBackend:
    """Replaces every Linear and Conv2d by its own class, subclasses (MultiheadAttention's out_proj) too."""

    name = "quanto"
    title = "optimum-quanto"
    distribution = "optimum-quanto"
    aliases: ClassVar[dict[str, str]] = {
        "quanto.int8": "quanto.qint8",
        "quanto.int4": "quanto.qint4",
        "quanto.int2": "quanto.qint2",
        "quanto.float8": "quanto.qfloat8",
    }

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """A converted weight is no longer tied to anything; two scalar buffers of its dtype are added."""
        if layer.is_a(_ALREADY):
            return left_alone("already converted by optimum-quanto")
        if not layer.is_a(*_CONVERTED):
            return left_alone(f"optimum-quanto converts Linear and Conv2d, not {layer.type}")
        if not layer.path:
            return left_alone("quantize() on a bare layer leaves it without a weight; put it into a module")
        weight = layer.tensor("weight")
        if weight is None or weight.kind != "parameter":
            return left_alone("its weight is computed, not a parameter of its own")
        if weight.dtype not in WEIGHT_DTYPES:
            return left_alone(f"its weight is {weight.dtype}, not a float to be quantized")
        refusal = scheme.refuses(weight.shape, weight.dtype)
        if refusal is not None:
            return left_alone(refusal)
        return Decision({"weight": 0}, added_buffers=2 * ITEM_BYTES[weight.dtype], keeps_ties=False)

    def snippet(self, scheme: Scheme, model: str = "model") -> str:
        """The library's own two calls."""
        format_name = scheme.id.split(".", 1)[1]
        qtype = format_name.removesuffix("_hqq")
        searched = qtype != format_name
        names = ", ".join(
            sorted(("freeze", qtype, "quantize", *(["HqqOptimizer"] * searched)), key=str.lower)
        )
        option = ", optimizer=HqqOptimizer()" if searched else ""
        return (
            f"from optimum.quanto import {names}\n\n"
            f"quantize({model}, weights={qtype}{option})\nfreeze({model})\n"
        )


BACKEND = QuantoBackend()

"""hqq 0.2: `AutoHQQHFModel.quantize_model(model, BaseQuantizeConfig(…))`, compute dtype float16."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, cast_all, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_LINEAR = "torch.nn.modules.linear.Linear"


class HqqBackend:
    """Converts modules that are exactly a Linear, except lm_head; everything else becomes float16."""

    name = "hqq"
    title = "hqq"
    distribution = "hqq"
    aliases: ClassVar[dict[str, str]] = {
        "hqq.int4": "hqq.int4_g64",
        "hqq.int3": "hqq.int3_g64",
        "hqq.int2": "hqq.int2_g64",
    }

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """Biases and the layers that are left alone are cast to the compute dtype, except around others."""
        if not layer.path or not layer.leaf:
            where = "a bare layer" if not layer.path else "tensors of a module that holds other modules"
            return left_alone(f"hqq does not touch {where}, which stay in their dtype")
        reason = self._reason(layer, scheme)
        if reason is not None:
            return left_alone(reason, cast_all(layer, "float16"))
        return Decision({"weight": 0}, keeps_ties=False, casts=cast_all(layer, "float16"))

    def _reason(self, layer: LayerFacts, scheme: Scheme) -> str | None:
        if layer.bases[:1] != (_LINEAR,):
            return f"hqq converts exactly Linear, not {layer.type}; it is cast to float16"
        if layer.path.rpartition(".")[2] == "lm_head":
            return "hqq leaves lm_head alone; it is cast to float16"
        weight = layer.tensor("weight")
        if weight is None or weight.kind != "parameter" or weight.dtype not in WEIGHT_DTYPES:
            return "its weight is no floating parameter of its own"
        return scheme.refuses(weight.shape, weight.dtype)

    def snippet(self, scheme: Scheme, model: str = "model") -> str:
        """The library's own call, on the CPU."""
        return (
            "import torch\n"
            "from hqq.core.quantize import BaseQuantizeConfig\n"
            "from hqq.models.hf.base import AutoHQQHFModel\n\n"
            f"config = BaseQuantizeConfig(nbits={scheme.bits}, group_size=64)\n"
            '# The name "" stands for every block: the library finds those of few models by itself.\n'
            f"AutoHQQHFModel.quantize_model(\n"
            f'    {model}, config, compute_dtype=torch.float16, device={{"": "cpu"}}\n)\n'
        )


BACKEND = HqqBackend()

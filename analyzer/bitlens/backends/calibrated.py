"""Methods that need samples of real input, as transformers loads them: every Linear but the head."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import KEPT_HEAD, Decision, LayerFacts, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme


class CalibratedBackend:
    """GPTQ, AWQ, SmoothQuant, QuIP# and AQLM."""

    name = "calibrated"
    title = "methods that need calibration"
    distribution = None
    aliases: ClassVar[dict[str, str]] = {
        "gptq": "gptq.int4_g128",
        "awq": "awq.int4_g128",
        "smoothquant": "smoothquant.int8",
        "quip_sharp": "quip_sharp.e8p_2bit",
        "aqlm": "aqlm.1x16_g8",
    }

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """The output embedding and tied weights stay in float."""
        if not layer.is_a("torch.nn.modules.linear.Linear"):
            return left_alone(f"converts Linear only, not {layer.type}")
        weight = layer.tensor("weight")
        if weight is None or weight.kind != "parameter" or weight.dtype not in WEIGHT_DTYPES:
            return left_alone("its weight is no floating parameter of its own")
        if weight.tied_to is not None or layer.kept:
            return left_alone(layer.kept or KEPT_HEAD)
        refusal = scheme.refuses(weight.shape, weight.dtype)
        return Decision({"weight": 0}, keeps_ties=False) if refusal is None else left_alone(refusal)

    def snippet(self, scheme: Scheme, model: str = "model") -> str | None:
        """None: there is no call without data."""
        return None


BACKEND = CalibratedBackend()

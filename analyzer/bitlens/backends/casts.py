"""`model.to(dtype)`: every floating parameter and buffer of every module."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import ITEM_BYTES, Scheme


class CastBackend:
    """torch itself; integers, booleans and quantized tensors stay as they are, ties are kept."""

    name = "torch"
    title = "torch"
    distribution = None
    aliases: ClassVar[dict[str, str]] = {}

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """All floating tensors, buffers too."""
        floating = {tensor.name: 0 for tensor in layer.tensors if tensor.dtype in ITEM_BYTES}
        if not floating:
            dtypes = sorted({tensor.dtype for tensor in layer.tensors})
            return left_alone(f"holds no floating tensor ({', '.join(dtypes)})")
        return Decision(floating)

    def snippet(self, scheme: Scheme, model: str = "model") -> str:
        """One conversion in place."""
        return f"{model}.to(torch.{scheme.id})\n"


BACKEND = CastBackend()

"""The plain definition: every floating parameter of two or more dimensions, vectors stay, ties are kept."""

from __future__ import annotations

from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_CHANNELS_SECOND = (
    "torch.nn.modules.conv._ConvTransposeNd",
    "transformers.pytorch_utils.Conv1D",
)
"""Classes that keep their weight as (in, out, ...)."""


class TextbookBackend:
    """No library: what a paper means by "weights in int8". Embeddings and fused experts are included."""

    name = "textbook"
    title = "textbook"
    distribution = None
    aliases: ClassVar[dict[str, str]] = {}

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """Output channels are the first axis, or the second in transposed convolutions and GPT-2's Conv1D."""
        axis = 1 if layer.is_a(*_CHANNELS_SECOND) else 0
        matrices = [t for t in layer.tensors if t.kind == "parameter" and len(t.shape) >= 2]
        floating = [t for t in matrices if t.dtype in WEIGHT_DTYPES]
        refusals = [
            scheme.refuses((t.shape[axis], t.shape[1 - axis], *t.shape[2:]), t.dtype) for t in floating
        ]
        converted = {t.name: axis for t, refusal in zip(floating, refusals) if refusal is None}
        if converted:
            return Decision(converted)
        if floating:
            return left_alone(str(refusals[0]))
        if matrices:
            return left_alone(f"its weight is {matrices[0].dtype}, not a float to be quantized")
        return left_alone("holds no parameter of two or more dimensions")

    def snippet(self, scheme: Scheme, model: str = "model") -> str | None:
        """None: a definition has no call."""
        return None


BACKEND = TextbookBackend()

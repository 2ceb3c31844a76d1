"""GGUF files as llama.cpp's converters write them, every matrix in one format (`llama-quantize --pure`)."""

from __future__ import annotations

from bitlens.backends.facts import Decision, LayerFacts, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme

_CONV1D = "transformers.pytorch_utils.Conv1D"


class GgufBackend:
    """Embeddings, heads and fused experts too; vectors stay, and so do rows that are no whole blocks."""

    name = "gguf"
    title = "GGUF"
    distribution = "gguf"

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """A tied weight is stored once."""
        axis = 1 if layer.is_a(_CONV1D) else 0
        matrices = [t for t in layer.tensors if t.kind == "parameter" and len(t.shape) >= 2]
        floating = [t for t in matrices if t.dtype in WEIGHT_DTYPES]
        shapes = [(t.shape[1], t.shape[0]) if axis else t.shape for t in floating]
        refusals = [scheme.refuses(shape, t.dtype) for t, shape in zip(floating, shapes)]
        converted = {t.name: axis for t, refusal in zip(floating, refusals) if refusal is None}
        if converted:
            return Decision(converted)
        if floating:
            return left_alone(str(refusals[0]))
        if matrices:
            return left_alone(f"its weight is {matrices[0].dtype}, not a float to be quantized")
        return left_alone("GGUF keeps vectors in float")

    def snippet(self, scheme: Scheme, model: str = "model") -> str | None:
        """None: a GGUF file is written by llama.cpp's own commands."""
        return None


BACKEND = GgufBackend()

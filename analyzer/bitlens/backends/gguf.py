"""GGUF files as llama.cpp writes them: `convert_hf_to_gguf.py`, then `llama-quantize --pure`.

Its rules are those of its published source (`tensor_allows_quantization` and `tensor_type_fallback`; the
converter's list of tensors that are always float32), read, not run. Names in a GGUF file are the converter's
own; the patterns below are the ends of the module names that it maps to tensors with a rule of their own.
"""

from __future__ import annotations

import re
from typing import ClassVar

from bitlens.backends.facts import Decision, LayerFacts, TensorFacts, cast_all, left_alone
from bitlens.schemes.base import WEIGHT_DTYPES, Scheme, Shape

_CONV1D = "transformers.pytorch_utils.Conv1D"
_FLOAT32 = re.compile(
    r"(?:^|\.)(?:wpe|embed_positions|position_embeddings|token_type_embeddings|conv1d|primary_router"
    r"|router(?:\.layer|\.proj|\.gate)?|(?:mlp|feed_forward|block_sparse_moe|mixer|moe|\d+)\.gate(?:\.wg)?)$"
)
_FLOAT16 = re.compile(r"\.relative_attention_bias$")
_FALLBACKS = {"gguf.q4_k": "gguf.q5_0", "gguf.q5_k": "gguf.q5_1", "gguf.q6_k": "gguf.q8_0"}
_BLOCK = 32


class GgufBackend:
    """Embeddings, heads and fused experts too; vectors, positions and routers are float32."""

    name = "gguf"
    title = "GGUF"
    distribution = "gguf"
    aliases: ClassVar[dict[str, str]] = {}

    def converts(self, layer: LayerFacts, scheme: Scheme) -> Decision:
        """A tied weight is stored once; rows that are no whole blocks fall back to another format."""
        casts = cast_all(layer, "float32")
        if _FLOAT32.search(layer.path):
            kinds = "positions, token types, routers and state convolutions"
            return left_alone(f"llama.cpp keeps {kinds} in float32", casts)
        matrices = [t for t in layer.tensors if t.kind == "parameter" and len(t.shape) >= 2]
        floating = [t for t in matrices if t.dtype in WEIGHT_DTYPES]
        if not floating:
            integer = f"its weight is {matrices[0].dtype}, not a float to be quantized" if matrices else None
            return left_alone(integer or "GGUF keeps vectors in float32", casts)
        axis = 1 if layer.is_a(_CONV1D) else 0
        refused = [t for t in floating if scheme.refuses(_rows(t, axis), t.dtype)]
        halves = {t.name: "float16" for t in floating}
        if _FLOAT16.search(layer.path):
            return left_alone("llama.cpp keeps relative position biases in float16", {**casts, **halves})
        converted = {t.name: axis for t in floating}
        if not refused:
            return Decision(converted, casts=casts)
        why = f"rows of {_rows(refused[0], axis)[-1]} do not fill its blocks, llama-quantize takes"
        other = _FALLBACKS.get(scheme.id)
        if other is None or any(_rows(t, axis)[-1] % _BLOCK for t in floating):
            return left_alone(f"{why} float16", {**casts, **halves})
        return Decision(converted, casts=casts, instead=other, note=f"{why} {other}")

    def snippet(self, scheme: Scheme, model: str = "model") -> str | None:
        """None: a GGUF file is written by llama.cpp's own commands."""
        return None


def _rows(tensor: TensorFacts, axis: int) -> Shape:
    return (tensor.shape[1], tensor.shape[0]) if axis else tensor.shape


BACKEND = GgufBackend()

"""bitsandbytes' LLM.int8() weights (0.50). The activations' outlier columns are no affair of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import Chunk, Fused, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor

# What the library multiplies by for 1 / 127.
_INVERSE = 7.874015718698502e-3


class LlmInt8(Scheme):
    """In float16 first: a = half(W), m = absmax of a row, q = round(a * (127 / m)), Ŵ = q m / 127.

    Beyond 65504 a row is NaN, below 3e-8 a weight is 0. Stored: codes and float32 row maxima.
    """

    id = "bitsandbytes.int8"
    title = "LLM.int8() weights of bitsandbytes"
    library = "bitsandbytes"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0
    arithmetic = "float32"

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape)

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("llm_int8", _INVERSE)

    def round_trip(self, chunk: Chunk) -> Tensor:
        half = chunk.torch.float16
        largest = chunk.absmax().to(half).float()
        factor = 127 / largest.masked_fill(largest == 0, 1)
        halves = chunk.buffer(half).copy_(chunk.weight)
        values = chunk.buffer().copy_(halves)
        return values.mul_(factor).round_().mul_(largest).mul_(_INVERSE)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + 4 * shape[0]


SCHEMES = (LlmInt8(),)

"""optimum-quanto's 8-bit weights: one scale per output channel, no zero point (AbsmaxOptimizer)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import ITEM_BYTES, Chunk, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor


class QuantoInt8(Scheme):
    """s = absmax / 127, q = clamp(round(W / s), -128, 127), Ŵ = s q, each operation in the weight's dtype."""

    id = "quanto.qint8"
    title = "int8 weights of optimum-quanto"
    library = "quanto"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape)

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = chunk.absmax() / 127
        # The library stores int8(0 / 0) for a row of zeros and multiplies it by 0.
        divisor = scale.masked_fill(scale == 0, 1)
        codes: Tensor = chunk.torch.div(chunk.weight, divisor, out=chunk.buffer())
        return codes.round_().clamp_(-128, 127).mul_(scale)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + shape[0] * ITEM_BYTES[dtype]


SCHEMES = (QuantoInt8(),)

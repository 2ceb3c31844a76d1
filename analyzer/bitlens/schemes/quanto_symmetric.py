"""optimum-quanto's 8-bit weights: a scale per output channel, no zero point (AbsmaxOptimizer).

All arithmetic is in the weight's dtype, each operation rounded to it. Stored: codes and scales.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import FLOAT8, ITEM_BYTES, Chunk, Fused, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor


class _QuantoSymmetric(Scheme):
    library = "quanto"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + shape[0] * ITEM_BYTES[dtype]


class QuantoInt8(_QuantoSymmetric):
    """s = absmax / 127, q = clamp(round(W / s), -128, 127), Ŵ = s q."""

    id = "quanto.qint8"
    title = "int8 weights of optimum-quanto"

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("quanto_int8",)

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = chunk.absmax() / 127
        # The library stores int8(0 / 0) for a row of zeros and multiplies it by 0.
        divisor = scale.masked_fill(scale == 0, 1)
        codes: Tensor = chunk.torch.div(chunk.weight, divisor, out=chunk.buffer())
        return codes.round_().clamp_(-128, 127).mul_(scale)


class QuantoFloat8(_QuantoSymmetric):
    """s = absmax / m, q = float8(clamp(W / s, -m, m)), Ŵ = s q, m the greatest value of the format.

    A row of zeros becomes NaN (0 / 0), as it does in the library.
    """

    def __init__(self, qtype: str, dtype: str, greatest: float) -> None:
        self.id = f"quanto.{qtype}"
        self.title = f"{dtype} weights of optimum-quanto"
        self.dtype = dtype
        self.top = greatest

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("quanto_float8", *FLOAT8[self.dtype])

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = chunk.absmax() / self.top
        scaled: Tensor = chunk.torch.div(chunk.weight, scale, out=chunk.buffer())
        codes = chunk.buffer(getattr(chunk.torch, self.dtype)).copy_(scaled.clamp_(-self.top, self.top))
        return scaled.copy_(codes).mul_(scale)


SCHEMES = (
    QuantoInt8(),
    QuantoFloat8("qfloat8", "float8_e4m3fn", 448.0),
    QuantoFloat8("qfloat8_e5m2", "float8_e5m2", 57344.0),
)

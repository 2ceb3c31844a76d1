"""Integers as textbooks define them, computed in float32: the same numbers as torch.fake_quantize_* gives.

torch multiplies by 1 / s where a textbook divides by s; only exact ties round differently.
Stored: codes packed without gaps, a float32 scale and, where asymmetric, an int8 zero point per block.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from bitlens.schemes.base import Chunk, Fused, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor

_WORDS = {"tensor": "tensor", "channel": "output channel", "g128": "group of 128 along the row"}


class _Textbook(Scheme):
    library = "textbook"
    arithmetic = "wide"
    form: str
    block_overhead: int

    def __init__(self, bits: int, granularity: str) -> None:
        self.bits = bits
        self.per = granularity
        self.granularity = _WORDS[granularity]
        self.id = f"int{bits}.{self.form}.{granularity}"
        self.title = f"{self.form} int{bits}, one scale per {self.granularity}"
        self.bytes_per_weight = bits / 8 + (self.block_overhead / 128 if granularity == "g128" else 0)
        self.top = 2 ** (bits - 1) - 1

    def block(self, shape: Shape, dtype: str) -> int:
        return {"tensor": numel(shape), "channel": row_length(shape), "g128": 128}[self.per]

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        length = row_length(shape)
        return (
            f"rows of {length} are not divisible into groups of 128"
            if self.per == "g128" and length % 128
            else None
        )

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        blocks = {"tensor": 1, "channel": shape[0], "g128": numel(shape) // 128}[self.per]
        return -(-numel(shape) * self.bits // 8) + blocks * self.block_overhead

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return (self.form, float(self.top))

    @abstractmethod
    def round_trip(self, chunk: Chunk) -> Tensor: ...


class Symmetric(_Textbook):
    """s = absmax / top, q = clamp(round(W / s), -top, top), Ŵ = s q, top = 2^(b-1) - 1."""

    form = "symmetric"
    block_overhead = 4

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = chunk.absmax() / self.top
        divisor = scale.masked_fill(scale == 0, 1)
        codes: Tensor = chunk.torch.mul(chunk.weight, divisor.reciprocal(), out=chunk.buffer())
        return codes.round_().clamp_(-self.top, self.top).mul_(scale)


class Asymmetric(_Textbook):
    """The range is widened to hold 0; s = (max - min) / (2^b - 1), z = round(low - min / s), low = -2^(b-1),
    q = clamp(round(W / s) + z, low, top), Ŵ = s (q - z)."""

    form = "asymmetric"
    block_overhead = 5

    def round_trip(self, chunk: Chunk) -> Tensor:
        low = chunk.low().clamp(max=0)
        scale = (chunk.high().clamp(min=0) - low) / (2 * self.top + 1)
        divisor = scale.masked_fill(scale == 0, 1)
        zero = (-self.top - 1 - low / divisor).round_()
        codes: Tensor = chunk.torch.mul(chunk.weight, divisor.reciprocal(), out=chunk.buffer())
        # Clamping q - z to [low - z, top - z] is clamping q to [low, top].
        chunk.torch.clamp(codes.round_(), -self.top - 1 - zero, self.top - zero, out=codes)
        return codes.mul_(scale)


SCHEMES = tuple(
    form(bits, granularity)
    for bits in (8, 4)
    for form in (Symmetric, Asymmetric)
    for granularity in ("tensor", "channel", "g128")
)

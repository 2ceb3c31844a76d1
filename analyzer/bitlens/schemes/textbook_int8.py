"""int8 as textbooks define it, computed in float32: the same numbers as torch.fake_quantize_* gives.

torch multiplies by 1 / s where a textbook divides by s; only exact ties round differently.
Stored: one byte a code, a float32 scale and, where asymmetric, an int8 zero point per block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import Chunk, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor


class _TextbookInt8(Scheme):
    library = "textbook"
    bits = 8
    arithmetic = "wide"
    bytes_per_weight = 1.0
    form: str
    block_overhead: int

    def __init__(self, channels: bool) -> None:
        self.channels = channels
        self.id = f"int8.{self.form}.{'channel' if channels else 'tensor'}"
        self.title = f"{self.form} int8, one scale per {'output channel' if channels else 'tensor'}"
        self.granularity = "output channel" if channels else "tensor"

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape) if self.channels else numel(shape)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + (shape[0] if self.channels else 1) * self.block_overhead


class SymmetricInt8(_TextbookInt8):
    """s = absmax / 127, q = clamp(round(W / s), -127, 127), Ŵ = s q."""

    form = "symmetric"
    block_overhead = 4

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = chunk.absmax() / 127
        divisor = scale.masked_fill(scale == 0, 1)
        codes: Tensor = chunk.torch.mul(chunk.weight, divisor.reciprocal(), out=chunk.buffer())
        return codes.round_().clamp_(-127, 127).mul_(scale)


class AsymmetricInt8(_TextbookInt8):
    """The range is widened to hold 0; s = (max - min) / 255, z = round(-128 - min / s),
    q = clamp(round(W / s) + z, -128, 127), Ŵ = s (q - z)."""

    form = "asymmetric"
    block_overhead = 5

    def round_trip(self, chunk: Chunk) -> Tensor:
        low = chunk.low().clamp(max=0)
        scale = (chunk.high().clamp(min=0) - low) / 255
        divisor = scale.masked_fill(scale == 0, 1)
        zero = (-128 - low / divisor).round_()
        codes: Tensor = chunk.torch.mul(chunk.weight, divisor.reciprocal(), out=chunk.buffer())
        # Clamping q - z to [-128 - z, 127 - z] is clamping q to [-128, 127].
        lowest, highest = -128 - zero, 127 - zero
        codes.round_()
        chunk.torch.clamp(codes, lowest, highest, out=codes)
        return codes.mul_(scale)


SCHEMES = (SymmetricInt8(False), SymmetricInt8(True), AsymmetricInt8(False), AsymmetricInt8(True))

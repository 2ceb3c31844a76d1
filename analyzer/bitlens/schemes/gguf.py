"""GGUF's simple formats, as gguf 0.19 and ggml write them: blocks of 32 along the row, float16 scales.

Codes are found with the float32 scale d and read back with its float16 rounding. Zeros have 1 / d = 0.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from bitlens.schemes.base import Chunk, Fused, Scheme, Shape, numel
from bitlens.schemes.nearest import Nearest, nearest

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 32


class _Gguf(Scheme):
    library = "gguf"
    granularity = "block of 32 along the row"
    arithmetic = "float32"
    block_bytes: int

    def __init__(self, name: str, bits: int, block_bytes: int) -> None:
        self.id = f"gguf.{name.lower()}"
        self.title = f"{name} of GGUF"
        self.bits = bits
        self.block_bytes = block_bytes
        self.bytes_per_weight = block_bytes / _BLOCK

    def block(self, shape: Shape, dtype: str) -> int:
        return _BLOCK

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        if shape[-1] % _BLOCK:
            return (
                f"GGUF keeps it in float: its rows of {shape[-1]} are not divisible into blocks of {_BLOCK}"
            )
        return None

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) // _BLOCK * self.block_bytes

    @abstractmethod
    def round_trip(self, chunk: Chunk) -> Tensor: ...


class Q8(_Gguf):
    """d = absmax / 127, q = round(W * (1 / d)) with halves away from zero, Ŵ = q half(d)."""

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("gguf_q8",)

    def round_trip(self, chunk: Chunk) -> Tensor:
        torch = chunk.torch
        scale = chunk.absmax() / 127
        scaled: Tensor = torch.mul(chunk.weight, _inverse(scale), out=chunk.buffer())
        whole: Tensor = torch.trunc(scaled, out=chunk.buffer(use="whole"))
        # Twice the fraction is exact and truncates to -1, 0 or 1.
        whole.add_(scaled.sub_(whole).mul_(2).trunc_())
        return whole.mul_(_half(torch, scale))


class Symmetric(_Gguf):
    """d = m / -2^(b-1), m the signed value of greatest magnitude;
    q = clamp(trunc(W * (1 / d) + 2^(b-1) + 1/2), 0, 2^b - 1), Ŵ = (q - 2^(b-1)) half(d)."""

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("gguf_symmetric", 2.0 ** (self.bits - 1))

    def round_trip(self, chunk: Chunk) -> Tensor:
        middle = 2 ** (self.bits - 1)
        greatest = signed_absmax(chunk.torch, chunk.weight, chunk.low(), chunk.high())
        scale = greatest / -middle
        codes: Tensor = chunk.torch.mul(chunk.weight, _inverse(scale), out=chunk.buffer())
        codes.add_(middle + 0.5).trunc_().clamp_(0, 2 * middle - 1)
        return codes.sub_(middle).mul_(_half(chunk.torch, scale))


class Affine(_Gguf):
    """d = (max - min) / (2^b - 1), q = trunc((W - min) * (1 / d) + 1/2), Ŵ = half(d) q + half(min)."""

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("gguf_affine", 2.0**self.bits - 1)

    def round_trip(self, chunk: Chunk) -> Tensor:
        low, top = chunk.low(), 2**self.bits - 1
        scale = (chunk.high() - low) / top
        codes: Tensor = chunk.torch.sub(chunk.weight, low, out=chunk.buffer())
        codes.mul_(_inverse(scale)).add_(0.5).trunc_().clamp_(0, top)
        return codes.mul_(_half(chunk.torch, scale)).add_(_half(chunk.torch, low))


class Mxfp4(_Gguf):
    """d = 2^(floor(log2(absmax)) - 2), q the nearest of 0, .5, 1, 1.5, 2, 3, 4, 6 to |W| / d, Ŵ = ± q d.

    An exponent of d below -127 wraps around in the byte that keeps it, so that such blocks become 0.
    """

    def prepare(self, torch: Any, weight: Tensor, shape: Shape) -> Nearest:
        return nearest(torch, tuple(value / 8 for value in (0, 0.5, 1, 1.5, 2, 3, 4, 6)), weight.device)

    def round_trip(self, chunk: Chunk) -> Tensor:
        torch, absmax = chunk.torch, chunk.absmax()
        unit = torch.where(absmax < 2.0**-125, 1.0, torch.exp2(absmax.log2().floor() - 2))
        magnitude = torch.div(chunk.weight, unit, out=chunk.buffer()).abs_().mul_(1 / 8)
        rounded: Tensor = chunk.state.round(chunk, magnitude)
        return rounded.copysign_(chunk.weight).mul_(8).mul_(unit)


def _inverse(scale: Tensor) -> Tensor:
    return scale.reciprocal().masked_fill(scale == 0, 0)


def _half(torch: Any, values: Tensor) -> Tensor:
    return values.to(torch.float16).to(values.dtype)


def signed_absmax(torch: Any, blocks: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The value of greatest magnitude of each block (n, 1); the first where it has both signs."""
    signed: Tensor = torch.where(-low > high, low, high)
    both = ((low == -high) & (high > 0)).view(-1).nonzero().view(-1)
    if len(both):
        rows = blocks[both]
        first = (rows.abs() == high[both]).int().argmax(1, keepdim=True)
        signed[both] = rows.gather(1, first)
    return signed


SCHEMES = (
    Q8("Q8_0", 8, 34),
    Symmetric("Q4_0", 4, 18),
    Symmetric("Q5_0", 5, 22),
    Affine("Q4_1", 4, 20),
    Affine("Q5_1", 5, 24),
    Mxfp4("MXFP4", 4, 17),
)

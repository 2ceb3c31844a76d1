"""GGUF's k-quants without an importance matrix, as ggml searches for them: super-blocks of 256 along the row.

Scales of the small blocks are found by trying a range of them and keeping the one of least weighted error,
and are then quantized themselves (6 or 8 bits) against the super-block's float16 scale.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from bitlens.schemes.base import Chunk, Scheme, Shape, numel
from bitlens.schemes.gguf import signed_absmax

if TYPE_CHECKING:
    from torch import Tensor

_SUPER = 256
_NOTHING = 1e-15
"""Blocks whose scale or greatest magnitude is below this are taken for zeros."""


class _KQuant(Scheme):
    library = "gguf"
    arithmetic = "float32"

    def __init__(self, name: str, bits: int, small: int, block_bytes: int) -> None:
        self.id = f"gguf.{name.lower()}"
        self.title = f"{name} of GGUF"
        self.bits = bits
        self.small = small
        self.granularity = f"block of {small} along the row, in super-blocks of {_SUPER}"
        self.block_bytes = block_bytes
        self.bytes_per_weight = block_bytes / _SUPER

    def block(self, shape: Shape, dtype: str) -> int:
        return _SUPER

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        if shape[-1] % _SUPER:
            return f"GGUF has no {self.title[:4]} here: rows of {shape[-1]} are not divisible by {_SUPER}"
        return None

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) // _SUPER * self.block_bytes

    def round_trip(self, chunk: Chunk) -> Tensor:
        small = chunk.weight.reshape(-1, self.small)
        return self.quantize(chunk.torch, small).view_as(chunk.weight)

    @abstractmethod
    def quantize(self, torch: Any, x: Tensor) -> Tensor:
        """The round trip of small blocks (n, small) that fill whole super-blocks."""


class AffineK(_KQuant):
    """Q4_K and Q5_K: Ŵ = d s q - m z, s and z of 6 bits per block of 32, d and m float16 per super-block."""

    def __init__(self, name: str, bits: int, block_bytes: int, first: float, steps: int) -> None:
        super().__init__(name, bits, 32, block_bytes)
        self.first, self.steps = first, steps

    def quantize(self, torch: Any, x: Tensor) -> Tensor:
        top = 2**self.bits - 1
        scale, offset = (part.view(-1, _SUPER // 32) for part in self._search(torch, x, top))
        unit, scale = _six_bits(torch, scale)
        unit_offset, offset = _six_bits(torch, offset)
        step = (unit * scale).view(-1, 1)
        low = (unit_offset * offset).view(-1, 1)
        divisor = step.masked_fill(step == 0, 1)
        codes = ((x + low) / divisor).round_().clamp_(0, top)
        return codes.mul_(step).sub_(low)

    def _search(self, torch: Any, x: Tensor, top: int) -> tuple[Tensor, Tensor]:
        """Scale and negated minimum of each block (n, 1): least squares for each of a range of scales."""
        # torch's float32 square root is not correctly rounded.
        spread = (_added(x.square()) / 32).double().sqrt_().float()
        weight = x.abs().add_(spread)
        sum_w, sum_x = _added(weight), _added(weight * x)
        low, high = x.amin(1, keepdim=True).clamp(max=0), x.amax(1, keepdim=True)
        tops = torch.tensor([0.1], device=x.device) * torch.arange(self.steps + 1, device=x.device)
        tops = (tops + self.first + top).unbind()
        least, inverse = low, torch.full_like(low, top) / (high - low)
        scale = inverse.reciprocal()
        codes = ((x - least) * inverse).round_().clamp_(0, top)
        best = _added(weight * (scale * codes + low - x).square_())
        for highest in tops:
            # The minimum of the best step so far is where the next one starts from.
            codes = ((x - least) * (highest / (high - least))).round_().clamp_(0, top)
            weighted = weight * codes
            sum_l, sum_l2 = _added(weighted), _added(weighted * codes)
            sum_xl = _added(weighted * x)
            determinant = sum_w * sum_l2 - sum_l * sum_l
            new_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant
            new_low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
            positive = new_low > 0
            new_scale = torch.where(positive, sum_xl / sum_l2, new_scale)
            new_low = new_low.masked_fill_(positive, 0)
            error = _added(weight * (new_scale * codes + new_low - x).square_())
            better = (determinant > 0) & (error < best)
            scale, least = torch.where(better, new_scale, scale), torch.where(better, new_low, least)
            best = torch.where(better, error, best)
        constant = high == low
        return scale.masked_fill(constant, 0), -torch.where(constant, low, least)


def _added(terms: Tensor) -> Tensor:
    """The sum of each row (n, 1), term after term as ggml adds: the order decides between equal steps."""
    first, *rest = terms.t().contiguous().unbind()
    for term in rest:
        first.add_(term)
    return first.view(-1, 1)


def _six_bits(torch: Any, values: Tensor) -> tuple[Tensor, Tensor]:
    """The float16 unit of each super-block (n, 1) and the codes 0 to 63 of its values (n, 8)."""
    greatest = values.amax(1, keepdim=True).clamp(min=0)
    inverse = (torch.full_like(greatest, 63) / greatest).masked_fill_(greatest <= 0, 0)
    unit = (greatest / 63).to(torch.float16).float()
    return unit, (inverse * values).round_().clamp_(max=63)


class Q6K(_KQuant):
    """Ŵ = d s q: q of 6 bits, s of 8 bits per block of 16, d of float16 per super-block."""

    def quantize(self, torch: Any, x: Tensor) -> Tensor:
        scale = self._search(torch, x).view(-1, _SUPER // 16)
        greatest = signed_absmax(torch, scale, scale.amin(1, keepdim=True), scale.amax(1, keepdim=True))
        nothing = greatest.abs() < _NOTHING
        inverse = (torch.full_like(greatest, -128) / greatest).masked_fill_(nothing, 0)
        unit = inverse.reciprocal().masked_fill(nothing, 0).to(torch.float16).float()
        step = (unit * (inverse * scale).round_().clamp_(max=127)).view(-1, 1)
        divisor = step.masked_fill(step == 0, 1)
        return (x / divisor).round_().clamp_(-32, 31).mul_(step)  # type: ignore[no-any-return]

    def _search(self, torch: Any, x: Tensor) -> Tensor:
        """The scale of each block (n, 1) with the least error weighted by the squares, of nineteen tried."""
        greatest = signed_absmax(torch, x, x.amin(1, keepdim=True), x.amax(1, keepdim=True))
        weight = x.square()
        scale = best = torch.zeros_like(greatest)
        tries = torch.tensor([0.1], device=x.device) * torch.arange(-9, 10, device=x.device) + 32
        for step in (0, *range(-9, 0), *range(1, 10)):
            codes = (x * (-tries[step + 9] / greatest)).round_().clamp_(-32, 31)
            sum_lx = _added(weight * x * codes)
            sum_l2 = _added(weight * codes * codes)
            better = (sum_l2 > 0) & ((sum_lx * sum_lx > best * sum_l2) if step else True)
            scale = torch.where(better, sum_lx / sum_l2, scale)
            best = torch.where(better, scale * sum_lx, best)
        return scale.masked_fill(greatest.abs() < _NOTHING, 0)  # type: ignore[no-any-return]


SCHEMES = (
    AffineK("Q4_K", 4, 144, -1.0, 20),
    AffineK("Q5_K", 5, 176, -0.5, 15),
    Q6K("Q6_K", 6, 16, 210),
)

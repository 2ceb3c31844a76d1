"""hqq's weights (0.2.8) with its default configuration: groups of 64 along the row, compute dtype float16.

s = (2^b - 1) / (max - min), at most 2e4, but 1 where max - min <= 1e-4; z = -min s, rounded for 4 bits.
Then z is improved up to 20 times: with q = clamp(round(W s + z), 0, 2^b - 1), r = (q - z) / s and e = W - r
shrunk by 0.1 |e|^-0.3, the next z is the group's mean of q - (W - e) s. The step at which the mean of |W - r|
over the whole weight no longer falls is the last, and its z is kept. Ŵ = (q - z) (1 / s) in float16.
On a GPU the library improves z in float16; this is the arithmetic of its CPU path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitlens.schemes.base import Chunk, Scheme, Shape, numel

if TYPE_CHECKING:
    from torch import Tensor

_GROUP = 64
_STEPS = 20
_GROUPS_AT_ONCE = 1024


class Hqq(Scheme):
    """Stored: packed codes (3 bits: ten to an int32, over groups), and s and z in float16."""

    library = "hqq"
    granularity = "group of 64 along the row"
    arithmetic = "float32"
    needs_whole = True

    def __init__(self, bits: int) -> None:
        self.id = f"hqq.int{bits}_g64"
        self.title = f"int{bits} weights of hqq"
        self.bits = bits
        self.bytes_per_weight = (4 / 10 if bits == 3 else bits / 8) + 2 * 2 / _GROUP

    def block(self, shape: Shape, dtype: str) -> int:
        return _GROUP

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        groups, rest = divmod(numel(shape), _GROUP)
        if rest:
            return f"hqq raises: {numel(shape)} weights are not divisible into groups of {_GROUP}"
        if self.bits != 3 and groups % (8 // self.bits):
            return f"hqq cannot read it back: its {groups} groups do not fill whole bytes"
        return None

    def prepare(self, torch: Any, weight: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        """The scales and zeros of all groups, (groups, 1) each, float32."""
        top, groups = 2**self.bits - 1, weight.view(-1, _GROUP)
        low = groups.amin(1, keepdim=True).float()
        extent = groups.amax(1, keepdim=True).float() - low
        scale = torch.where(extent <= 1e-4, 1.0, top / extent).clamp(max=2e4)
        zero = -low * scale
        if self.bits == 4:
            zero.round_()
        best = float("inf")
        for _ in range(_STEPS):
            error = 0.0
            for at in range(0, len(groups), _GROUPS_AT_ONCE):
                part = slice(at, at + _GROUPS_AT_ONCE)
                values = groups[part].float()
                error += _improve(torch, values, scale[part], zero[part], top) * len(values) / len(groups)
            if not error < best:
                break
            best = error
        return scale, zero

    def round_trip(self, chunk: Chunk) -> Tensor:
        half, first = chunk.torch.float16, chunk.start // _GROUP
        scale, zero = (part[first : first + len(chunk.weight)] for part in chunk.state)
        codes: Tensor = chunk.torch.mul(chunk.weight, scale, out=chunk.buffer())
        codes.add_(zero).round_().clamp_(0, 2**self.bits - 1)
        return chunk.buffer(half).copy_(codes).sub_(zero.to(half)).mul_(scale.reciprocal().to(half))

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        groups = numel(shape) // _GROUP
        rows = -(-groups // 10) * 4 if self.bits == 3 else groups * self.bits // 8
        return rows * _GROUP + groups * 2 * 2


def _improve(torch: Any, values: Tensor, scale: Tensor, zero: Tensor, top: int) -> float:
    """Replaces `zero` (groups, 1) by its next value; returns the mean error before that."""
    codes = (values * scale).add_(zero).round_().clamp_(0, top)
    error = values - (codes - zero).div_(scale)
    size = error.abs()
    mean = float(size.mean())
    shrunk = size.sub_(size.pow(0.7 - 1).mul_(1.0 / 10)).clamp_min_(0.0).mul_(error.sign())
    zero.copy_(codes.sub_((values - shrunk).mul_(scale)).mean(1, keepdim=True))
    return mean


SCHEMES = (Hqq(4), Hqq(3), Hqq(2))

"""optimum-quanto's 4-bit and 2-bit weights with `quantize(…, optimizer=HqqOptimizer())`.

Scale and first shift are MaxOptimizer's: s = (max - min) / (2^b - 1), z = -min. Then up to 20 times, with
q = clamp(round((W + z) / s), 0, 2^b - 1), E = W - (s q - z) and E' = sign(E) max(|E| - |E|^-0.3 / β, 0), the
next z is the mean of s q - (W - E') over the last axis, and β grows by 1.01. A z is kept as long as the mean
of |E| over the whole weight falls. All of it in the weight's own dtype. Where the rows of a convolution are
not cut into groups the last axis is the kernel's width: the library stores a shift for each row of a kernel
(if the very first step improves nothing, it stores one for each channel after all).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bitlens.schemes.base import ITEM_BYTES, Chunk, Fused, Shape, numel
from bitlens.schemes.quanto_affine import QuantoAffine, group_size, is_tinygemm

if TYPE_CHECKING:
    from torch import Tensor

_STEPS = 20
_ELEMENTS_AT_ONCE = 1 << 16


class _State(NamedTuple):
    scale: Tensor
    """(blocks, 1)."""
    shift: Tensor
    """(blocks, shifts in a block)."""


class QuantoHqq(QuantoAffine):
    """QuantoAffine with shifts improved over the whole weight."""

    needs_whole = True

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.id = f"quanto.qint{bits}_hqq"
        self.title = f"int{bits} weights of optimum-quanto, HqqOptimizer"

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        if shape[0] == 1 and group_size(shape) is None:
            return "optimum-quanto's HqqOptimizer raises for one output channel without groups"
        return super().refuses(shape, dtype)

    def prepare(self, torch: Any, weight: Tensor, shape: Shape) -> _State:
        """Scales and shifts of all blocks, in the weight's dtype."""
        blocks = weight.view(-1, max(1, self.block(shape, "")))
        top, span = 2**self.bits - 1, _span(shape)
        low = blocks.amin(1, keepdim=True)
        scale = (blocks.amax(1, keepdim=True) - low) / top
        shift = (-low).repeat(1, blocks.shape[1] // span)
        best, strength, least = float("inf"), 10.0, shift
        for _ in range(_STEPS + 1):
            error, following = _step(torch, blocks, _State(scale, shift), strength, top)
            if not error < best:
                break
            best, least, shift = error, shift, following
            strength *= 1.01
        return _State(scale, least)

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return None

    def round_trip(self, chunk: Chunk) -> Tensor:
        block, span = max(1, self.block(chunk.shape, chunk.dtype)), _span(chunk.shape)
        first, count = chunk.start // block, len(chunk.weight)
        scale, shift = (part[first : first + count] for part in chunk.state)
        if shift.shape[1] > 1:
            within = chunk.torch.arange(chunk.weight.shape[1], device=scale.device) + chunk.start % block
            shift = shift[:, within // span]
        codes: Tensor = chunk.torch.add(chunk.weight, shift, out=chunk.buffer())
        codes.div_(scale.masked_fill(scale == 0, 1)).round_().clamp_(0, 2**self.bits - 1).mul_(scale)
        if self.bits == 4 and is_tinygemm(chunk.shape, chunk.dtype):
            half = scale * 8
            return codes.sub_(half - (half - shift))
        return codes.sub_(shift)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        blocks = numel(shape) // max(1, self.block(shape, dtype))
        shifts = numel(shape) // max(1, _span(shape))
        return super().stored_bytes(shape, dtype) + (shifts - blocks) * ITEM_BYTES[dtype]


def _span(shape: Shape) -> int:
    """Elements that share a shift."""
    return group_size(shape) or shape[-1]


def _step(torch: Any, blocks: Tensor, state: _State, strength: float, top: int) -> tuple[float, Tensor]:
    """The mean error with these shifts, and the shifts that follow from it."""
    errors, following = torch.empty_like(blocks), torch.empty_like(state.shift)
    rows = max(1, _ELEMENTS_AT_ONCE // max(1, blocks.shape[1]))
    for at in range(0, len(blocks), rows):
        part = slice(at, at + rows)
        shifts = _State(state.scale[part], state.shift[part])
        following[part], errors[part] = _part(blocks[part], shifts, strength, top)
    # Its last bit decides at which step the library stops: a mean over the whole weight, as there.
    return float(errors.mean()), following


def _part(values: Tensor, state: _State, strength: float, top: int) -> tuple[Tensor, Tensor]:
    """The next shifts of some blocks, and the size of each element's error before that."""
    weight = values.view(len(values), state.shift.shape[1], -1)
    unit, zero = state.scale.unsqueeze(2), state.shift.unsqueeze(2)
    codes = (weight + zero).div_(unit.masked_fill(unit == 0, 1)).round_().clamp_(0, top).mul_(unit)
    error = weight - (codes - zero)
    size = error.abs()
    shrunk = (size - size.pow(0.7 - 1).mul_(1.0 / strength)).clamp_min_(0).mul_(error.sign())
    return codes.sub_(weight - shrunk).mean(2), size.view_as(values)


SCHEMES = (QuantoHqq(4), QuantoHqq(2))

"""The nearest of a few values, for formats whose steps are not equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitlens.schemes.base import Chunk

if TYPE_CHECKING:
    from torch import Tensor

_STEPS = 2047


class Nearest:
    """The nearest of a few sorted values in [-1, 1], ties to the lower, by two table look-ups.

    [-1, 1] is cut into steps so small that each holds one midpoint at most. The first table says where it is,
    the second holds the values on either side. From x to its step is monotone in floating point: it is exact.
    """

    def __init__(self, torch: Any, values: Tensor) -> None:
        self.values = values
        self.bounds = (values[1:] + values[:-1]) / 2
        steps = self._step(torch, self.bounds, torch.empty_like(self.bounds)).long()
        device, edges = values.device, torch.arange(2 * _STEPS + 1, device=values.device)
        self.bound_in_step = torch.full((2 * _STEPS + 1,), 2.0, device=device).index_copy_(
            0, steps, self.bounds
        )
        below = torch.bucketize(edges, steps)
        self.sides = torch.stack([values[below], values[torch.bucketize(edges, steps, right=True)]], 1).view(
            -1
        )

    @staticmethod
    def _step(torch: Any, x: Tensor, out: Tensor) -> Tensor:
        return torch.mul(x, _STEPS, out=out).add_(_STEPS)  # type: ignore[no-any-return]

    def round(self, chunk: Chunk, x: Tensor, finite: bool) -> Tensor:
        """Replaces x, in [-1, 1] or not `finite`, by the nearest values; NaN by the greatest."""
        torch = chunk.torch
        if not finite:
            return self.values[torch.bucketize(x, self.bounds)]
        scratch, index = chunk.buffer(x.dtype, "step"), chunk.buffer(torch.int32, "step")
        index.copy_(self._step(torch, x, scratch))
        torch.index_select(self.bound_in_step, 0, index.view(-1), out=scratch.view(-1))
        above = torch.gt(x, scratch, out=chunk.buffer(torch.int32, "above"))
        index.mul_(2).add_(above)
        torch.index_select(self.sides, 0, index.view(-1), out=x.view(-1))
        return x

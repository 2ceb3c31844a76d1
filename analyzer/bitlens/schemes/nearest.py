"""The nearest of a few values, for formats whose steps are not equal."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bitlens.schemes.base import Chunk

if TYPE_CHECKING:
    from torch import Tensor

_HALF = 1024
"""Steps from 0 to 1: a power of two, so that a fused multiplication and addition gives the same step."""


class Nearest:
    """The nearest of a few sorted values in [-1, 1], ties to the lower, by two table look-ups.

    [-1, 1] is cut into steps so small that each holds one midpoint at most. The first table says where it is;
    the second holds the value below it for every step, then the value above it. From x to its step is
    monotone in floating point: it is exact.
    """

    def __init__(self, torch: Any, values: Tensor) -> None:
        self.values = values
        self.bounds = (values[1:] + values[:-1]) / 2
        self._middle = torch.tensor(float(_HALF), device=values.device)
        self._steps = 2 * _HALF + 1
        steps = self._step(torch, self.bounds, torch.empty_like(self.bounds)).long()
        edges = torch.arange(self._steps, device=values.device)
        no_bound = torch.full((self._steps,), 2.0, device=values.device)
        self._bound_in_step = no_bound.index_copy_(0, steps, self.bounds)
        sides = [torch.bucketize(edges, steps, right=right) for right in (False, True)]
        self._sides = torch.cat([values[side] for side in sides])

    def _step(self, torch: Any, x: Tensor, out: Tensor) -> Tensor:
        return torch.add(self._middle, x, alpha=_HALF, out=out)  # type: ignore[no-any-return]

    def round(self, chunk: Chunk, x: Tensor) -> Tensor:
        """Replaces x by the nearest values, NaN by the greatest. Finite x are in [-1, 1] or next to it."""
        torch = chunk.torch
        if not chunk.finite():
            return self.values[torch.bucketize(x, self.bounds)]
        bound, index = chunk.buffer(x.dtype, "step"), chunk.buffer(torch.int32, "step")
        index.copy_(self._step(torch, x, bound))
        torch.index_select(self._bound_in_step, 0, index.view(-1), out=bound.view(-1))
        # The sign bit as 0 or -1: whether x lies above the bound.
        above = bound.sub_(x).view(torch.int32).bitwise_right_shift_(31)
        index.sub_(above, alpha=self._steps)
        torch.index_select(self._sides, 0, index.view(-1), out=x.view(-1))
        return x


@lru_cache(maxsize=16)
def nearest(torch: Any, values: tuple[float, ...], device: Any) -> Nearest:
    """The tables for these values on this device, made once."""
    return Nearest(torch, torch.tensor(values, device=device))

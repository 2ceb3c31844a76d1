"""Which rows of a weight a format destroys though its error stays small beside a few large weights.

A row is lost where the error of its weights, its ⌈row / 512⌉ largest left out, has at least half of their
squared norm. Normal values reach that where the grid's step is 2.6 standard deviations: four of five lie
below half a step, and become 0. Formats that scale less than half of a row together are not looked at: a
large weight costs its own block at most.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from bitlens.worker.chunks import Read

LENGTHS = range(64, (1 << 14) + 1)
"""Of shorter rows one weight is a large part; of longer ones float32 adds squares less exactly."""


class Rows:
    """The rows of one chunk, whole ones only."""

    def __init__(self, read: Read, row: int, precise: bool) -> None:
        """Rows of `row` elements; `precise` squares in float64."""
        self._read, self._row = read, row
        self._norms = self._norms_of(read.wide.double() if precise else read.wide)
        self._largest = -(-row // 512)
        self._tops: Tensor | None = None
        self._left: tuple[Tensor, float] | None = None

    def squared_norm(self) -> float:
        """Of all rows together."""
        return torch.dot(self._norms, self._norms).item()

    def absmax(self) -> float:
        """The greatest magnitude; NaN if a row holds one."""
        return self._greatest().amax().item()

    def lost(self, error: Tensor, worst: float) -> int:
        """How many rows are lost by this error, given flat; `worst` is its greatest magnitude."""
        left, least = self._left = self._left or self._left_at_least()
        if math.sqrt(2 * self._row) * worst < least:
            return 0
        suspects = (self._norms_of(error) * math.sqrt(2) >= left).nonzero().view(-1)
        values, errors = (part.view(-1, self._row)[suspects].double() for part in (self._read.wide, error))
        largest = values.abs().topk(self._largest, dim=1).indices
        norm, lost = (part.scatter(1, largest, 0.0).square().sum(1) for part in (values, errors))
        return int(((2 * lost >= norm) & (norm > 0)).sum())

    def _left_at_least(self) -> tuple[Tensor, float]:
        """At most the norm of what the largest weights leave of each row, and the least of them."""
        left = torch.sub(self._norms, self._greatest(), alpha=math.sqrt(self._largest))
        return left, left.amin().item()

    def _greatest(self) -> Tensor:
        if self._tops is None:
            self._tops = self._read.extremes(self._row).absmax().view(-1)
        return self._tops

    def _norms_of(self, values: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(values.view(-1, self._row), dim=1)
        return norms

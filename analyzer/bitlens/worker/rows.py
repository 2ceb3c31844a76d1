"""Which rows or blocks of a weight a format destroys though its error stays small beside a few large weights.

One is lost where the error of its weights, its ⌈length / 512⌉ largest left out, has at least half of their
squared norm. Normal values reach that where the grid's step is 2.6 standard deviations: four of five lie
below half a step, and become 0 (or all one value, where a format has a shift). Rows are looked at where a
format scales at least half of one together, else the blocks that it scales: those of which one extreme is
2^(bits - 1) - 1 times the other, so that this lies within a step of a symmetric grid, and at least 3 times.
As they are rare, sums in float32 count these suspects, and only where they are material they are looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from bitlens.schemes.base import Scheme, Shape, row_length

if TYPE_CHECKING:
    from bitlens.worker.chunks import BlockChunk, Read

LEAST = 16
"""Of shorter rows and blocks one weight is a large part."""
LEAST_LOPSIDED = 3
MATERIAL = 100
"""A lost row is an output that is gone; of blocks one in so many is worth a word."""


def spans_rows(scheme: Scheme, shape: Shape, block: int) -> bool:
    """Whether rows are looked at, not blocks."""
    return scheme.least is None and 2 * block >= row_length(shape) >= LEAST


def spans_blocks(scheme: Scheme, shape: Shape, block: int) -> bool:
    """Whether blocks are looked at, not rows."""
    return scheme.least is None and block >= LEAST and 2 * block < row_length(shape)


def lopsided_from(bits: int) -> int:
    """How many times the other an extreme of a suspected block is."""
    return max(LEAST_LOPSIDED, (1 << bits - 1) - 1)


def largest_of(length: int) -> int:
    """How many weights of a row or block are left out."""
    return -(-length // 512)


class Lost(NamedTuple):
    """How many are lost, and of how many blocks; of a format either rows or blocks are looked at."""

    rows: int = 0
    blocks: int = 0
    of: int = 0

    def material(self) -> bool:
        """Whether there is something to be said."""
        return bool(self.rows) or self.blocks * MATERIAL >= max(1, self.of)

    def note(self, looked: int | None = None) -> str | None:
        """What is to be said of it; `looked`: at how many rows, where it was not at all of them."""
        seen = " looked at" if looked is not None else ""
        if self.rows:
            of = f" of {looked}{seen}" if looked is not None else ""
            rows = f"1 row{of} keeps" if self.rows == 1 else f"{self.rows} rows{of} keep"
            return f"{rows} little but the largest weights"
        if self.material():
            return f"{self.blocks} of {self.of} blocks{seen} keep little but the largest weight"
        return None


class Blocks:
    """The blocks of one chunk; what formats of one size and width share is found once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._counts: dict[tuple[int, int], int] = {}

    def suspects(self, size: int, bits: int) -> int:
        """At most so many blocks are lost in a format of so many bits."""
        if (size, bits) not in self._counts:
            lopsided = self._lopsided(size, bits)
            self._counts[size, bits] = 0 if lopsided is None else int(lopsided.count_nonzero())
        return self._counts[size, bits]

    def lost(self, squares: Tensor, size: int, bits: int) -> int:
        """How many blocks are lost by an error of these squares, given flat, of a format of so many bits."""
        lopsided = self._lopsided(size, bits)
        return 0 if lopsided is None else _lost(self._read.wide, squares, size, lopsided.nonzero().view(-1))

    def _lopsided(self, size: int, bits: int) -> Tensor | None:
        """Which blocks have an extreme that is so many times the other; None, soon told, where none has."""
        extremes, times = self._read.extremes(size), lopsided_from(bits)
        ratio = (extremes.low / extremes.high).view(-1)
        least, greatest = torch.aminmax(ratio)
        if least.item() >= -times and greatest.item() <= -1 / times:
            return None
        ratio.abs_()
        lopsided: Tensor = (ratio > times).logical_or_(ratio < 1 / times)
        return lopsided


class Rows:
    """The rows of one chunk, whole ones only."""

    def __init__(self, read: Read, row: int, squares: Tensor) -> None:
        """Rows of `row` elements; `squares` of all, which are not kept."""
        self._read, self._row = read, row
        self._sums = self._by_row(squares)
        self._tops: Tensor | None = None
        self._left: tuple[Tensor, float] | None = None

    def squared_norm(self) -> float:
        """Of all rows together."""
        return self._sums.sum().item()

    def absmax(self) -> float:
        """The greatest magnitude; NaN if a row holds one."""
        return self._greatest().amax().item()

    def lost(self, squares: Tensor, worst: float = math.inf) -> int:
        """How many rows are lost by an error of these squares, given flat; `worst`: at least its greatest."""
        left, least = self._left = self._left or self._left_at_least()
        if math.sqrt(2 * self._row) * worst < least:
            return 0
        suspects = (self._by_row(squares).sqrt_() * math.sqrt(2) > left).nonzero().view(-1)
        return _lost(self._read.wide, squares, self._row, suspects)

    def _left_at_least(self) -> tuple[Tensor, float]:
        """At most the norm of what the largest weights leave of each row, and the least of them."""
        left = torch.sub(self._sums.sqrt(), self._greatest(), alpha=math.sqrt(largest_of(self._row)))
        return left, left.amin().item()

    def _greatest(self) -> Tensor:
        if self._tops is None:
            self._tops = self._read.extremes(self._row).absmax().view(-1)
        return self._tops

    def _by_row(self, squares: Tensor) -> Tensor:
        return squares.view(-1, self._row).sum(1)


def destroyed(
    squares: Tensor,
    chunk: BlockChunk,
    rows: Rows | None,
    blocks: Blocks,
    worst: float = math.inf,
    exact: bool = True,
) -> Lost:
    """What of a chunk is lost by a format whose error has these squares; all suspects unless `exact`."""
    size = chunk.looked_at
    if rows and chunk.spans_rows:
        return Lost(rows=rows.lost(squares, worst))
    if not size:
        return Lost()
    count = blocks.lost(squares, size, chunk.bits) if exact else blocks.suspects(size, chunk.bits)
    return Lost(blocks=count, of=squares.numel() // size)


def _lost(values: Tensor, squares: Tensor, length: int, suspects: Tensor) -> int:
    """How many of the suspects, rows or blocks of this length, are lost."""
    if not len(suspects):
        return 0
    values, squares = (part.view(-1, length)[suspects].double() for part in (values, squares))
    largest = values.abs().topk(largest_of(length), dim=1).indices
    norm, lost = (part.scatter(1, largest, 0.0).sum(1) for part in (values.square(), squares))
    return int(((2 * lost >= norm) & (norm > 0)).sum())

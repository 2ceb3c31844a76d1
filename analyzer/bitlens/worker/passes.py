"""What schemes do to one weight, measured chunk by chunk while the chunk lies in the cache, in reused memory.

A block larger than a chunk (a whole tensor, a very long row) is read twice: for its extremes, then in pieces
for its error. Squares are added in pairs (`torch.sum`): the size of chunks shows in the last digits of sums
alone. Shares of a weight are whole chunks, whose sums add up to those of the whole exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from bitlens.schemes.base import Scheme
from bitlens.worker.chunks import (
    BlockChunk,
    Extremes,
    Pass,
    Read,
    Span,
    Weight,
    Workspace,
    spans,
    squared_error,
)
from bitlens.worker.rows import Blocks, Lost, Rows, destroyed

CHUNK_ELEMENTS = 5 << 16
"""1.3 MB of float32: small enough for the cache, large enough to drown what a call of torch costs."""

_ROOTS_SAFELY = 2.0**-60
"""Magnitudes whose squares are normal in float32."""

_UNCUT = 256
"""A chunk is never smaller: formats that search within a block need it whole."""


Share = tuple[int, int]
"""Which one of how many about equal parts of a weight."""
WHOLE = (0, 1)


class Sums(NamedTuple):
    """What one scheme does to a weight or a part of it."""

    squared_norm: float
    squared_error: float
    absmax: float
    """Greatest magnitude of the weights; not finite if one of them is not."""
    max_abs_error: float
    nonfinite: int
    """Weights that are not finite."""
    lost: int
    """Finite weights that are not finite after the round trip."""
    vanished: int
    """Nonzero weights that are 0 after the round trip; counted for casts only."""
    lost_rows: int = 0
    """Rows of which the largest weights alone survive (`rows`)."""
    lost_blocks: int = 0
    """The same of blocks; of float32 sums, those of which it may be so."""
    blocks: int = 0
    """Blocks that were looked at."""

    def destroyed(self) -> Lost:
        """What of it is gone though the error does not show it."""
        return Lost(self.lost_rows, self.lost_blocks, self.blocks)

    @staticmethod
    def total(parts: Sequence[Sums]) -> Sums:
        """The sums of the whole from those of its parts, whatever their order; of no parts, of nothing."""
        if not parts:
            return NOTHING
        norm, error, absmax, largest, *counts = zip(*parts)
        return Sums(_add(norm), _add(error), _greatest(absmax), _greatest(largest), *map(sum, counts))


NOTHING = Sums(0.0, 0.0, 0.0, 0.0, 0, 0, 0)


def _add(values: Sequence[float]) -> float:
    return math.fsum(values) if all(map(math.isfinite, values)) else math.nan


def _greatest(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


class Streamer:
    """Measures weights; keeps its memory from one weight to the next."""

    def __init__(self, chunk_elements: int = CHUNK_ELEMENTS) -> None:
        self.chunk_elements = max(chunk_elements, _UNCUT)
        self._workspace = Workspace()

    def measure(self, weight: Tensor, schemes: Sequence[Scheme], precise: bool = False) -> dict[str, Sums]:
        """Sums of each scheme on a weight (out, ...); `precise` squares in float64 (huge or tiny values)."""
        parts = self.parts(weight, schemes, precise)
        return {scheme.id: Sums.total(parts.get(scheme.id, ())) for scheme in schemes}

    def parts(
        self, weight: Tensor, schemes: Sequence[Scheme], precise: bool = False, share: Share = WHOLE
    ) -> dict[str, list[Sums]]:
        """As `measure`, but the sums of each chunk of one share of the weight."""
        found: dict[str, list[Sums]] = {}
        if not weight.numel():
            return found
        with _one_thread(), torch.inference_mode():
            for arranged in self._arranged(weight.detach(), schemes):
                for step in arranged.passes(self.chunk_elements):
                    measured = [
                        self._measure_chunk(read, arranged, step, extremes, precise)
                        for read, extremes in self._chunks(arranged, step, share)
                    ]
                    found.update(zip((scheme.id for scheme in step.schemes), map(list, zip(*measured))))
        return found

    def _arranged(self, weight: Tensor, schemes: Sequence[Scheme]) -> list[Weight]:
        """The weight in each order of elements that schemes ask for, with these schemes."""
        shape, dtype = tuple(weight.shape), str(weight.dtype).rpartition(".")[2]
        orders: dict[tuple[int, ...], tuple[Tensor, list[Scheme]]] = {}
        for scheme in schemes:
            arranged = scheme.arrange(weight)
            orders.setdefault((*arranged.shape, *arranged.stride()), (arranged, []))[1].append(scheme)
        return [Weight(arranged, shape, dtype, chosen) for arranged, chosen in orders.values()]

    def _chunks(self, weight: Weight, step: Pass, share: Share) -> Iterator[tuple[Read, Extremes | None]]:
        """A share of a pass, read: each chunk with the extremes of its block where that is a larger one."""
        length, unit = weight.flat.numel(), step.unit
        if unit <= self.chunk_elements:
            for start, end in _shared(spans(0, length, unit, self._pieces(length)), share):
                yield self._read(weight, (start, end)), None
            return
        blocks = spans(0, length, unit, -(-length // unit))
        pieces = [(piece, block) for block in blocks for piece in self._cut(block, step.row)]
        for block, together in groupby(_shared(pieces, share), key=itemgetter(1)):
            extremes = self._extremes(weight, block)
            for piece, _ in together:
                yield self._read(weight, piece), extremes

    def _read(self, weight: Weight, span: Span) -> Read:
        return Read(self._workspace, weight.flat, *span)

    def _pieces(self, length: int) -> int:
        return -(-length // self.chunk_elements)

    def _cut(self, block: Span, row: int = 0) -> list[Span]:
        return spans(*block, row or 1, self._pieces(block[1] - block[0]))

    def _extremes(self, weight: Weight, block: Span) -> Extremes:
        whole = [self._read(weight, piece).extremes(piece[1] - piece[0]) for piece in self._cut(block)]
        low, high = torch.cat([part.low for part in whole]), torch.cat([part.high for part in whole])
        return Extremes(low.amin(0, keepdim=True), high.amax(0, keepdim=True))

    def _measure_chunk(
        self, read: Read, weight: Weight, step: Pass, extremes: Extremes | None, precise: bool
    ) -> list[Sums]:
        wide = read.wide.double() if precise else read.wide
        squares = read.squares(wide)
        rows = Rows(read, step.row, squares) if step.row else None
        blocks = Blocks(read)
        norm = rows.squared_norm() if rows else squares.sum().item()
        casts = any(scheme.least is not None and not scheme.keeps(weight.dtype) for scheme in step.schemes)
        least = squares.amin().item() if casts else math.inf
        absmax = rows.absmax() if rows else read.absmax()
        nonfinite = 0 if math.isfinite(absmax) else int((~wide.isfinite()).sum())
        found = []
        for scheme in step.schemes:
            if scheme.keeps(weight.dtype):
                found.append(Sums(norm, 0.0, absmax, 0.0, nonfinite, 0, 0))
                continue
            chunk = BlockChunk(read, scheme, weight, extremes)
            result = self._round_trip(scheme, chunk, wide.dtype)
            vanished = 0
            if scheme.least is not None and not least > (scheme.least / 2) ** 2:
                vanished = int(wide.count_nonzero() - result.count_nonzero())
            squares = squared_error(result, wide)
            # The root of the greatest square is exact where that neither overflows nor loses bits.
            total, worst, lost = squares.sum().item(), squares.amax().sqrt().item(), 0
            safe = _ROOTS_SAFELY < worst < math.inf
            gone = destroyed(squares, chunk, rows, blocks, worst if safe else math.inf, exact=precise)
            if not safe:
                worst, lost = self._greatest_error(scheme, chunk, wide)
            found.append(Sums(norm, total, absmax, worst, nonfinite, lost, vanished, *gone))
        return found

    def _round_trip(self, scheme: Scheme, chunk: BlockChunk, dtype: torch.dtype) -> Tensor:
        result = scheme.round_trip(chunk).view(-1)
        return result if result.dtype == dtype else chunk.buffer(dtype, "result").view(-1).copy_(result)

    def _greatest_error(self, scheme: Scheme, chunk: BlockChunk, wide: Tensor) -> tuple[float, int]:
        """The greatest error, found without squares, and how many finite values are not finite any more.

        Takes the memory in which the squares lay.
        """
        errors = self._round_trip(scheme, chunk, wide.dtype).sub_(wide)
        low, high = (extreme.item() for extreme in torch.aminmax(errors))
        finite = math.isfinite(low) and math.isfinite(high)
        return max(-low, high), 0 if finite else int((wide.isfinite() & ~errors.isfinite()).sum())


T = TypeVar("T")


def _shared(chunks: Sequence[T], share: Share) -> Sequence[T]:
    number, shares = share
    return chunks[len(chunks) * number // shares : len(chunks) * (number + 1) // shares]


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch's own threads would make the sums depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""A weight in chunks: how schemes share the reading, and the memory in which a chunk is worked on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bitlens.schemes.base import Scheme, Shape, row_length
from bitlens.worker.rows import spans_blocks, spans_rows

Span = tuple[int, int]

_EACH = 0
"""torch's number for a loss that is not reduced."""


class Extremes:
    """Least value, greatest value and greatest magnitude of blocks, (blocks, 1) each."""

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low, high
        self._absmax: Tensor | None = None

    def absmax(self) -> Tensor:
        """The greatest magnitudes; NaN where a block holds one."""
        if self._absmax is None:
            self._absmax = torch.maximum(self.low.neg(), self.high)
        return self._absmax

    def to(self, dtype: Any) -> Extremes:
        """The same in another dtype."""
        return self if self.low.dtype == dtype else Extremes(self.low.to(dtype), self.high.to(dtype))


class Workspace:
    """Memory to work in: one flat buffer per use and dtype, grown when a larger chunk comes."""

    def __init__(self) -> None:
        self._flat: dict[tuple[str, Any, Any], Tensor] = {}
        self._views: dict[tuple[str, Any, Any, Any], Tensor] = {}

    def buffer(self, use: str, like: Tensor, dtype: Any = None) -> Tensor:
        """A contiguous tensor of the shape and device of `like`; its content is whatever was there."""
        dtype, device, shape = dtype or like.dtype, like.device, like.shape
        view = self._views.get((use, dtype, device, shape))
        if view is None:
            view = self._views[use, dtype, device, shape] = self._view(use, like, dtype)
        return view

    def _view(self, use: str, like: Tensor, dtype: Any) -> Tensor:
        key, count = (use, dtype, like.device), like.numel()
        flat = self._flat.get(key)
        if flat is None or flat.numel() < count:
            # Views of the smaller memory must not keep it alive.
            self._views = {of: view for of, view in self._views.items() if of[:3] != key}
            flat = self._flat[key] = torch.empty(count, dtype=dtype, device=like.device)
        return flat[:count].view(like.shape)


class Read:
    """A run of a flattened weight: its values as they are and widened, the extremes of its blocks."""

    def __init__(self, workspace: Workspace, flat: Tensor, start: int, end: int) -> None:
        self.workspace = workspace
        self.start = start
        values = flat[start:end]
        wide = values.dtype in (torch.float32, torch.float64)
        self.wide = values if wide else workspace.buffer("wide", values, torch.float32).copy_(values)
        single = self.wide.dtype == torch.float32
        self.single = self.wide if single else workspace.buffer("single", values, torch.float32).copy_(values)
        self._values = {"weight": values, "wide": self.wide, "float32": self.single}
        self._views: dict[tuple[str, int], Tensor] = {}
        self._extremes: dict[tuple[Any, int], Extremes] = {}
        self._sizes: list[int] = []

    def blocks(self, arithmetic: str, size: int) -> Tensor:
        """The run as (blocks, size) in the dtype of a scheme's `arithmetic`."""
        view = self._views.get((arithmetic, size))
        if view is None:
            view = self._views[arithmetic, size] = self._values[arithmetic].view(-1, size)
        return view

    def extremes(self, size: int, dtype: Any = None) -> Extremes:
        """Of each block of this size, in the wide dtype where no other is given."""
        dtype = dtype or self.wide.dtype
        found = self._extremes.get((dtype, size))
        if found is None:
            wide = dtype == self.wide.dtype
            found = self._reduced(size) if wide else self.extremes(size).to(dtype)
            self._extremes[dtype, size] = found
        return found

    def _reduced(self, size: int) -> Extremes:
        """From the values, or from the extremes of smaller blocks that fill these."""
        finer = max((smaller for smaller in self._sizes if size % smaller == 0), default=1)
        self._sizes.append(size)
        known = self.extremes(finer) if finer > 1 else Extremes(self.wide, self.wide)
        low, high = (part.view(-1, size // finer) for part in (known.low, known.high))
        return Extremes(low.amin(1, keepdim=True), high.amax(1, keepdim=True))

    def absmax(self) -> float:
        """Greatest magnitude of the run; NaN if it holds one."""
        return self.extremes(self.wide.numel()).absmax().item()

    def squares(self, wide: Tensor) -> Tensor:
        """Of each value; gone with the next call."""
        return torch.square(wide, out=self.workspace.buffer("squares", wide))


def squared_error(result: Tensor, wide: Tensor) -> Tensor:
    """The square of what `result` adds to each value, in its own memory: more would not stay cached."""
    squares: Tensor = torch.ops.aten.mse_loss.out(result, wide, _EACH, out=result)
    return squares


class BlockChunk:
    """What a scheme sees of a Read (`schemes.base.Chunk`): whole blocks, or a piece of a large one."""

    def __init__(self, read: Read, scheme: Scheme, weight: Weight, known: Extremes | None) -> None:
        self.torch: Any = torch
        self.shape, self.dtype = weight.shape, weight.dtype
        self.start, self.state = read.start, weight.states[scheme.id]
        self._block = min(weight.blocks[scheme.id], read.wide.numel())
        self.weight = read.blocks(scheme.arithmetic, self._block)
        self.spans_rows = scheme.id in weight.spanning
        looked_at = known is None and spans_blocks(scheme, weight.shape, self._block)
        self.looked_at = self._block if looked_at else 0
        """Elements of the blocks that are looked at one by one; 0 where none are."""
        self.bits = scheme.bits
        self._read, self._known = read, known

    def _extremes(self) -> Extremes:
        dtype = self.weight.dtype
        return self._known.to(dtype) if self._known else self._read.extremes(self._block, dtype)

    def low(self) -> Tensor:
        """Least value of each block."""
        return self._extremes().low

    def high(self) -> Tensor:
        """Greatest value of each block."""
        return self._extremes().high

    def absmax(self) -> Tensor:
        """Greatest magnitude of each block."""
        return self._extremes().absmax()

    def finite(self) -> bool:
        """Whether every value is finite."""
        return math.isfinite(self._read.absmax())

    def buffer(self, dtype: Any = None, use: str = "scheme") -> Tensor:
        """Reused memory of the chunk's shape."""
        return self._read.workspace.buffer(use, self.weight, dtype)


class Weight:
    """A weight laid out in the order of elements that these schemes agree on."""

    def __init__(self, arranged: Tensor, shape: Shape, dtype: str, schemes: Sequence[Scheme]) -> None:
        self.flat = arranged.reshape(-1)
        self.shape, self.dtype, self.schemes = shape, dtype, schemes
        length = self.flat.numel()
        self.states = {scheme.id: scheme.prepare(torch, self.flat, shape) for scheme in schemes}
        self.blocks = {scheme.id: min(max(1, scheme.block(shape, dtype)), length) for scheme in schemes}
        row = row_length(shape)
        self.spanning = {scheme.id for scheme in schemes if spans_rows(scheme, shape, self.blocks[scheme.id])}
        self._row = row if self.spanning and arranged.shape == shape else 1

    def passes(self, elements: int) -> Iterator[Pass]:
        """How the schemes share the reading: those whose blocks fit together into a chunk go together."""
        group: list[Scheme] = []
        first = unit = self._row if self._row <= elements else 1
        for scheme in sorted(self.schemes, key=lambda scheme: self.blocks[scheme.id]):
            block = self.blocks[scheme.id]
            shared = math.lcm(unit, block)
            if block > elements or self.flat.numel() % block or math.lcm(first, block) > elements:
                yield self._pass((scheme,), block)
                continue
            if shared > elements:
                yield self._pass(tuple(group), unit)
                group, shared = [], math.lcm(first, block)
            group, unit = [*group, scheme], shared
        if group:
            yield self._pass(tuple(group), unit)

    def _pass(self, schemes: tuple[Scheme, ...], unit: int) -> Pass:
        return Pass(schemes, unit, self._row if self._row > 1 and unit % self._row == 0 else 0)


@dataclass(frozen=True)
class Pass:
    """Schemes that are measured on the same chunks, each of a whole number of `unit` elements."""

    schemes: tuple[Scheme, ...]
    unit: int
    row: int = 0
    """Length of the rows that each chunk holds whole and that are looked at one by one; 0 where none are."""


def spans(start: int, end: int, unit: int, pieces: int) -> list[Span]:
    """[start, end) in about equal pieces of whole units, at most so many; a last short unit is one more."""
    units = (end - start) // unit
    pieces = min(pieces, units)
    edges = [start + units * number // pieces * unit for number in range(pieces + 1)] if pieces else [start]
    if edges[-1] < end:
        edges.append(end)
    return list(zip(edges, edges[1:]))

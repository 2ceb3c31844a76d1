"""A weight in chunks: how schemes share the reading, and the memory in which a chunk is worked on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bitlens.schemes.base import Scheme, Shape

Span = tuple[int, int]
Extremes = tuple[Tensor, Tensor]


class Workspace:
    """Memory of one thread: one flat buffer per use and dtype, grown when a larger chunk comes."""

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
        values = self.values = flat[start:end]
        wide = values.dtype in (torch.float32, torch.float64)
        self.wide = values if wide else workspace.buffer("wide", values, torch.float32).copy_(values)
        single = self.wide.dtype == torch.float32
        self.single = self.wide if single else workspace.buffer("single", values, torch.float32).copy_(values)
        self._extremes: dict[int, Extremes] = {}
        self._magnitudes: dict[int, Tensor] = {}
        self._least: float | None = None

    def extremes(self, block: int) -> Extremes:
        """Least and greatest value of each block, (blocks, 1), in the wide dtype."""
        if block not in self._extremes:
            finer = max((size for size in self._extremes if block % size == 0), default=1)
            low, high = self._extremes.get(finer, (self.wide, self.wide))
            self._extremes[block] = (
                low.reshape(-1, block // finer).amin(1, keepdim=True),
                high.reshape(-1, block // finer).amax(1, keepdim=True),
            )
        return self._extremes[block]

    def magnitudes(self, block: int) -> Tensor:
        """Greatest magnitude of each block, (blocks, 1), in the wide dtype."""
        if block not in self._magnitudes:
            low, high = self.extremes(block)
            self._magnitudes[block] = torch.maximum(-low, high)
        return self._magnitudes[block]

    def absmax(self) -> float:
        """Greatest magnitude of the run; NaN if it holds one."""
        return float(self.magnitudes(self.values.numel()))

    def least_magnitude(self) -> float:
        """Least magnitude of the run, 0 if it holds a zero; NaN if it holds one."""
        if self._least is None:
            magnitudes = torch.abs(self.wide, out=self.workspace.buffer("least", self.wide))
            self._least = float(magnitudes.amin())
        return self._least


class BlockChunk:
    """What a scheme sees of a Read (`schemes.base.Chunk`): whole blocks, or a piece of a large one."""

    def __init__(self, read: Read, scheme: Scheme, weight: Weight, extremes: Extremes | None) -> None:
        self.torch: Any = torch
        self.shape, self.dtype = weight.shape, weight.dtype
        self.start, self.state = read.start, weight.states[scheme.id]
        values = {"weight": read.values, "wide": read.wide, "float32": read.single}[scheme.arithmetic]
        self._block = min(weight.blocks[scheme.id], values.numel())
        self.weight: Tensor = values.view(-1, self._block)
        self._read, self._known = read, extremes

    def _extremes(self) -> Extremes:
        low, high = self._known or self._read.extremes(self._block)
        return low.to(self.weight.dtype), high.to(self.weight.dtype)

    def low(self) -> Tensor:
        """Least value of each block."""
        return self._extremes()[0]

    def high(self) -> Tensor:
        """Greatest value of each block."""
        return self._extremes()[1]

    def absmax(self) -> Tensor:
        """Greatest magnitude of each block."""
        if self._known:
            low, high = self._known
            return torch.maximum(-low, high).to(self.weight.dtype)
        return self._read.magnitudes(self._block).to(self.weight.dtype)

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

    def passes(self, elements: int) -> Iterator[Pass]:
        """How the schemes share the reading: those whose blocks fit together into a chunk go together."""
        group: list[Scheme] = []
        unit = 1
        for scheme in sorted(self.schemes, key=lambda scheme: self.blocks[scheme.id]):
            block = self.blocks[scheme.id]
            shared = math.lcm(unit, block)
            if block > elements or self.flat.numel() % block:
                yield Pass((scheme,), block)
                continue
            if shared > elements:
                yield Pass(tuple(group), unit)
                group, shared = [], block
            group, unit = [*group, scheme], shared
        if group:
            yield Pass(tuple(group), unit)


@dataclass(frozen=True)
class Pass:
    """Schemes that are measured on the same chunks, each of a whole number of `unit` elements."""

    schemes: tuple[Scheme, ...]
    unit: int

    def spans(self, length: int, elements: int) -> list[Span]:
        """Where the chunks lie; what is left over at the end is a chunk of its own (a last short block)."""
        step = max(1, elements // self.unit) * self.unit
        even = length - length % self.unit
        spans = [(start, min(start + step, even)) for start in range(0, even, step)]
        return [*spans, (even, length)] if even < length else spans

"""The numbers of a model, by the lines of one file: what stands behind every hint, hover and lens."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Literal

from bitlens.measurement import Certainty, Environment, Layer, Line, Model, SchemeResult

Origin = Literal["measured", "static"]


@dataclass(frozen=True, eq=False)
class LineNumbers:
    """What one line constructs, in one model."""

    paths: tuple[str, ...]
    """Modules that the line constructs itself, without those that hold others of the same line."""
    layers: tuple[Layer, ...]
    """The layers that these modules are or hold."""
    parameters: int | None
    """Distinct elements, ties once; None where unknown."""
    bytes: int | None
    buffer_bytes: int
    certainty: Certainty = "exact"
    formula: str = ""
    """Elements in terms of what is unknown, where the source alone was read; empty where there is none."""
    missing: str = ""
    """What the size depends on that the source does not tell."""
    least_parameters: int | None = None
    """For a range, of which `parameters` and `bytes` are the upper end."""
    least_bytes: int | None = None

    @property
    def own(self) -> bool:
        """Whether every module made here is a layer itself, not a container of layers made elsewhere."""
        return len(self.layers) == len(self.paths) and {layer.path for layer in self.layers} == set(
            self.paths
        )

    @cached_property
    def dtype(self) -> str | None:
        """The dtype of nine in ten parameters or more (a bias stays float), else `mixed`; None for none."""
        counts: dict[str, int] = defaultdict(int)
        for tensor in (t for layer in self.layers for t in layer.tensors if t.kind == "parameter"):
            counts[tensor.dtype] += prod(tensor.shape)
        most = max(counts, key=lambda name: counts[name], default=None)
        return most if most is None or counts[most] >= 0.9 * sum(counts.values()) else "mixed"

    @cached_property
    def types(self) -> tuple[str, ...]:
        """Class names of the layers, the commonest first."""
        counts: dict[str, int] = defaultdict(int)
        for layer in self.layers:
            counts[layer.type] += 1
        return tuple(sorted(counts, key=lambda name: (-counts[name], name)))

    @cached_property
    def schemes(self) -> Mapping[str, SchemeResult]:
        """Per scheme the sum of bytes and the largest error; `note` where nothing is converted."""
        ids = dict.fromkeys(id for layer in self.layers for id in layer.schemes)
        return {
            id: together([layer.schemes[id] for layer in self.layers if id in layer.schemes]) for id in ids
        }


def together(results: Iterable[SchemeResult]) -> SchemeResult:
    """Several layers under one scheme: bytes summed, the worst error, the counts of lost values summed."""
    results = list(results)
    worst = max(results, key=lambda r: -1.0 if r.relative_error is None else r.relative_error)
    greatest = [r.max_abs_error for r in results if r.max_abs_error is not None]
    return SchemeResult(
        bytes=sum(r.bytes for r in results),
        relative_error=worst.relative_error,
        sqnr_db=worst.sqnr_db,
        max_abs_error=max(greatest, default=None),
        overflow=_sum(r.overflow for r in results),
        underflow=_sum(r.underflow for r in results),
        converted=any(r.converted for r in results),
        note=next((r.note for r in results if r.note), None),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


@dataclass(frozen=True, eq=False)
class Numbers:
    """One model's numbers, measured or derived from the source, and where they come from."""

    model: Model
    origin: Origin
    environment: Environment = field(default_factory=Environment)
    when: float | None = None
    """Seconds since 1970 at which the measurement ended; None for a static answer."""
    complete: bool = True
    """False while layers are still arriving."""
    root: str | None = None
    """The expression or class that was built."""

    @cached_property
    def files(self) -> frozenset[str]:
        """Every file in which a line made something of this model."""
        lines = {line.file for line in self.model.lines}
        return frozenset(lines | {layer.file for layer in self.model.layers if layer.file})

    def by_line(self, file: str) -> Mapping[int, LineNumbers]:
        """The lines (from 1) of a file, as it was when the model was built."""
        cache = self._by_file
        if file not in cache:
            cache[file] = dict(self._lines(file))
        return cache[file]

    @cached_property
    def _by_file(self) -> dict[str, dict[int, LineNumbers]]:
        return {}

    @cached_property
    def _sorted(self) -> tuple[list[str], list[Layer]]:
        layers = sorted(self.model.layers, key=lambda layer: layer.path)
        return [layer.path for layer in layers], layers

    def _lines(self, file: str) -> Iterable[tuple[int, LineNumbers]]:
        announced = [line for line in self.model.lines if line.file == file]
        if announced:
            return ((line.line, self._line(line)) for line in announced)
        found: dict[int, list[Layer]] = defaultdict(list)
        for layer in self.model.layers:
            if layer.file == file and layer.line is not None:
                found[layer.line].append(layer)
        return ((line, _streamed(layers)) for line, layers in found.items())

    def _line(self, line: Line) -> LineNumbers:
        layers = {layer.path: layer for path in line.paths for layer in self.below(path)}
        held = tuple(layers.values())
        buffers = sum(layer.buffer_bytes for layer in held)
        return LineNumbers(
            _innermost(line.paths),
            held,
            line.parameters,
            line.bytes,
            buffers,
            line.certainty,
            line.formula or "",
            line.missing or "",
            line.least_parameters,
            line.least_bytes,
        )

    def below(self, path: str) -> list[Layer]:
        """The layers at or under a module path, in order of their paths."""
        paths, layers = self._sorted
        if not path:
            return layers
        at = bisect_left(paths, path)
        own = layers[at : at + 1] if at < len(paths) and paths[at] == path else []
        # "/" follows "." in ASCII, so this is the run of paths that start with `path.`
        return own + layers[bisect_left(paths, path + ".") : bisect_left(paths, path + "/")]


def _innermost(paths: tuple[str, ...]) -> tuple[str, ...]:
    """`layers.0` and `layers.1` of `layers`, `layers.0` and `layers.1`: a container is not one more thing
    made.
    """
    parents = {path[:at] for path in paths for at, char in enumerate(path) if char == "."}
    return tuple(path for path in paths if path not in parents)


def _streamed(layers: list[Layer]) -> LineNumbers:
    """A line's numbers while layers still arrive, from the layers that it made itself."""
    return LineNumbers(
        paths=tuple(layer.path for layer in layers),
        layers=tuple(layers),
        parameters=sum(layer.parameters for layer in layers),
        bytes=sum(layer.bytes for layer in layers),
        buffer_bytes=sum(layer.buffer_bytes for layer in layers),
    )

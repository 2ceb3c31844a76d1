"""The measured layers of an analysis, by the place in the program that a finding about them points at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitlens.analysis import Analysis, Placed
from bitlens.editing.code import Code
from bitlens.editing.offers import Span
from bitlens.measurement import Layer


@dataclass(frozen=True, eq=False)
class LayerLine:
    """Layers that one line constructs; those that no line of this file constructs stand at their model's
    line.
    """

    span: Span
    layers: tuple[Layer, ...]
    placed: Placed


def layer_lines(analysis: Analysis, code: Code) -> Iterator[LayerLine]:
    """Every measured layer once for each model, with the line of this program to name."""
    for placed in (*analysis.placed, *analysis.originals):
        if placed.numbers.origin != "measured" or placed.stale:
            continue
        by_line: dict[int, list[Layer]] = {}
        for layer in placed.numbers.model.layers:
            line = _line(placed, layer)
            if line is not None and line < code.line_count + 1:
                by_line.setdefault(line, []).append(layer)
        for line, layers in sorted(by_line.items()):
            yield LayerLine(code.line_span(line), tuple(layers), placed)


def _line(placed: Placed, layer: Layer) -> int | None:
    model = placed.numbers.model
    if layer.file == placed.file and layer.line is not None:
        return placed.here.get(layer.line)
    return placed.here.get(model.line) if model.line is not None and model.file == placed.file else None

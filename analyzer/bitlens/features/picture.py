"""The spread of a layer's weights in little space: a picture where the client shows one, else blocks."""

from __future__ import annotations

import base64

from bitlens.measurement import Histogram
from bitlens.quantities import three_digits

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _TICKS = 256, 48, 8
"""Of the picture in pixels: bars, and below them the two rows of levels."""
_GRIDS = (("#3b82f6", 256), ("#f97316", 16))
"""Colour and levels of int8 and of int4 over the range of the weights."""


def sparkline(histogram: Histogram, width: int = 32) -> str:
    """The counts as blocks of eight heights; what is not empty is never shown as empty."""
    counts = _merged(histogram.counts, width)
    top = max(counts)
    return "".join(_BLOCKS[0 if not n else max(1, round(8 * n / top))] for n in counts)


def caption(histogram: Histogram) -> str:
    """The range in words."""
    return f"{_number(histogram.low)} to {_number(histogram.high)}"


def data_uri(histogram: Histogram) -> str:
    """An SVG picture: the histogram, and below it where 256 and 16 equal levels over its range lie."""
    encoded = base64.b64encode(svg(histogram).encode()).decode()
    return f"data:image/svg+xml;base64,{encoded}"


def svg(histogram: Histogram) -> str:
    """The picture of `data_uri`."""
    height = _HEIGHT + 2 * _TICKS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" role="img">',
        f'<path fill="#8b949e" d="{_bars(histogram.counts)}"/>',
    ]
    for row, (colour, levels) in enumerate(_GRIDS):
        parts.append(f'<path stroke="{colour}" stroke-width="0.6" d="{_ticks(levels, row)}"/>')
    return "".join([*parts, "</svg>"])


def _bars(counts: tuple[int, ...]) -> str:
    step, top = _WIDTH / len(counts), max(counts)
    bars = ((at * step, _HEIGHT * n / top) for at, n in enumerate(counts) if n)
    return "".join(
        f"M{x:.1f} {_HEIGHT}h{step:.1f}v{-max(height, 0.5):.1f}h{-step:.1f}z" for x, height in bars
    )


def _ticks(levels: int, row: int) -> str:
    y = _HEIGHT + row * _TICKS + 1
    return "".join(f"M{at * (_WIDTH - 1) / (levels - 1) + 0.5:.1f} {y}v{_TICKS - 2}" for at in range(levels))


def _merged(counts: tuple[int, ...], width: int) -> list[int]:
    """At most `width` counts, neighbours added."""
    size = -(-len(counts) // width)
    return [sum(counts[at : at + size]) for at in range(0, len(counts), size)]


def _number(value: float) -> str:
    return three_digits(value).replace("-", "−")

"""Which formats share a launch, and how a weight is laid out for it; no triton here."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from bitlens.schemes.base import Fused, Scheme, Shape, numel, row_length
from bitlens.worker.rows import largest_of, spans_blocks, spans_rows

FORMULAS = (
    "cast_float16",
    "cast_bfloat16",
    "cast_float8",
    "quanto_int8",
    "quanto_float8",
    "quanto_affine",
    "torchao_int8",
    "torchao_float8",
    "torchao_int4_unpacked",
    "torchao_int4",
    "llm_int8",
    "nearest",
    "symmetric",
    "asymmetric",
    "torch_ao_int8",
    "gguf_q8",
    "gguf_symmetric",
    "gguf_affine",
)
"""The formulas of `formulas.py` by number: older tritons take no names."""

TILE = 1024
"""Elements that a program looks at together: 8 for each of its 4 x 32 threads."""
WARPS = 4
FLAT = 4096
"""Length of a made-up row where no format asks for real ones."""
ROW, TENSOR = 0, -1
_LONGEST = 1 << 24
"""Longer rows would leave most of a GPU idle; the torch path takes them."""
_NARROW = 128
_MOST = 6
"""Formats of one launch; more would not fit into the registers."""


class Task(NamedTuple):
    """One format in a launch."""

    scheme: Scheme
    fused: Fused
    block: int
    """Elements that share parameters; ROW or TENSOR."""
    rows: bool = False
    """Whether rows are looked at for what is lost (`rows`)."""
    blocks: bool = False
    """Whether blocks are."""


class Launch(NamedTuple):
    """Formats measured together on a weight seen as rows of `length` elements."""

    length: int
    tasks: tuple[Task, ...]


class Geometry(NamedTuple):
    """How programs cover the rows: each takes `rows` of them in tiles of `columns`."""

    programs: int
    rows: int
    columns: int
    even: bool
    """Whether tiles cover the weight without a rest, so that nothing needs a mask."""


def launches(shape: Shape, dtype: str, schemes: Sequence[Scheme]) -> list[Launch]:
    """Few launches for those of `schemes` that have a formula for this weight."""
    count, row = numel(shape), row_length(shape)
    by_length: dict[int, list[Task]] = defaultdict(list)
    anywhere: list[Task] = []
    for scheme in schemes:
        fused, block = scheme.fused(shape, dtype), min(scheme.block(shape, dtype), count)
        if fused is None or not block or count % block:
            continue
        if scheme.least is not None:  # a cast, whatever the length of a row
            anywhere.append(Task(scheme, fused, 1))
        elif spans_rows(scheme, shape, block):
            if block in (row, count):
                by_length[row].append(Task(scheme, fused, ROW if block == row else TENSOR, rows=True))
            elif 2 * block == row and _fits_tiles(block):
                by_length[row].append(Task(scheme, fused, block, rows=True))
            elif 2 * block == row and largest_of(row) == 1:  # a lost row has a half that may be lost
                by_length[block].append(Task(scheme, fused, ROW, rows=True))
        elif block == row:
            by_length[row].append(Task(scheme, fused, ROW))
        elif block == count:
            anywhere.append(Task(scheme, fused, TENSOR))
        elif _fits_tiles(block):
            anywhere.append(Task(scheme, fused, block, blocks=spans_blocks(scheme, shape, block)))
        else:
            by_length[block].append(Task(scheme, fused, ROW, blocks=spans_blocks(scheme, shape, block)))
    fits = all(row % max(1, task.block) == 0 for task in anywhere)
    home = row if row in by_length and fits else FLAT
    by_length[home] += anywhere
    return [
        Launch(length, tuple(tasks[start : start + _MOST]))
        for length, tasks in by_length.items()
        if length <= _LONGEST
        for start in range(0, len(tasks), _MOST)
    ]


def geometry(count: int, launch: Launch, tile: int = TILE) -> Geometry:
    """The widest tiles among those that waste least."""
    length = launch.length
    narrowest = max(min(_NARROW, _power_above(length)), *(task.block for task in launch.tasks))
    widths = [width for width in (tile >> i for i in range(tile.bit_length())) if width >= narrowest]
    columns = min(widths, key=lambda width: (-(-length // width) * width, -width))
    rows, height = tile // columns, -(-count // length)
    even = length % columns == 0 and height % rows == 0 and count % length == 0
    return Geometry(-(-height // rows), rows, columns, even)


def _fits_tiles(block: int) -> bool:
    return 1 < block <= _NARROW and block & (block - 1) == 0


def _power_above(value: int) -> int:
    return 1 << math.ceil(math.log2(value))

"""The kernel that measures: a weight, seen as rows, under many formats in one launch.

Each program takes ROWS whole rows in tiles of COLUMNS and leaves its partial sums: no atomics, so that the
same weight gives the same bits. The extremes of a row come from a first walk along it (none where no format
asks); the second finds the row in the cache. A thread sums its elements in float32, a program in float64.
"""

from __future__ import annotations

import triton
import triton.language as tl

from bitlens.worker.kernels.arithmetic import BFLOAT16
from bitlens.worker.kernels.formulas import round_trip

_LEAST_PAIR = tl.constexpr("min.bf16x2 $0, $1, $2;")
_GREATEST_PAIR = tl.constexpr("max.bf16x2 $0, $1, $2;")


@triton.jit
def _stored(weight, offsets, mask, EVEN: tl.constexpr):
    """Weights as they are in memory, 0 outside."""
    if EVEN:
        return tl.load(weight + offsets)
    else:
        return tl.load(weight + offsets, mask=mask, other=0)


@triton.jit
def _wide(stored, DTYPE: tl.constexpr):
    """As float32; bfloat16 comes as the int16 of its bits, which a shift widens."""
    if DTYPE == BFLOAT16:
        return (stored.to(tl.int32) << 16).to(tl.float32, bitcast=True)
    else:
        return stored.to(tl.float32)


@triton.jit
def _extremes(low, high, stored, mask, DTYPE: tl.constexpr, EVEN: tl.constexpr, PAIRS: tl.constexpr):
    """Least and greatest value seen at each place of a tile; PAIRS: two stored bfloat16 at once."""
    if PAIRS:
        bottom = stored if EVEN else tl.where(mask, stored, low)
        top = stored if EVEN else tl.where(mask, stored, high)
        low = tl.inline_asm_elementwise(_LEAST_PAIR, "=r,r,r", [low, bottom], tl.int16, True, 2)
        high = tl.inline_asm_elementwise(_GREATEST_PAIR, "=r,r,r", [high, top], tl.int16, True, 2)
    else:
        x = _wide(stored, DTYPE)
        low = tl.minimum(low, x if EVEN else tl.where(mask, x, low))
        high = tl.maximum(high, x if EVEN else tl.where(mask, x, high))
    return low, high


@triton.jit
def _greatest(x, VECTOR: tl.constexpr):
    """Greatest magnitude of what each thread loads at once."""
    return tl.max(tl.reshape(tl.abs(x), [x.numel // VECTOR, VECTOR]), axis=1)


@triton.jit
def _lopsided(low, high, TIMES: tl.constexpr):
    """1 for each block with an extreme so many times the other, else 0; outside are zeros or infinities."""
    smaller = tl.minimum(tl.abs(low), tl.abs(high))
    suspects = tl.where(smaller * TIMES < tl.maximum(tl.abs(low), tl.abs(high)), 1.0, 0.0)
    return tl.reshape(suspects, [suspects.numel])


@triton.jit
def _lost_rows(norm, squares, low, high, LARGEST: tl.constexpr):
    """How many rows may be lost: what their largest weights leave is at most about twice the error."""
    norms = tl.sum(norm, axis=1)
    absmax = tl.reshape(tl.maximum(-low, high), norms.shape)
    left = norms - LARGEST * absmax * absmax
    return tl.sum(
        tl.where((2.02 * tl.sum(squares, axis=1) + 1e-4 * norms >= left) & (norms > 0.0), 1.0, 0.0), axis=0
    )


@triton.jit
def _error(
    x, mask, row_low, row_high, extremes, TIMES: tl.constexpr,
    FORMULA: tl.constexpr, BLOCK: tl.constexpr, P: tl.constexpr, AT: tl.constexpr,
    DTYPE: tl.constexpr, EVEN: tl.constexpr, NATIVE: tl.constexpr,
):  # fmt: skip
    """What one format adds to each value of a tile, and which of its blocks may be lost."""
    suspects = tl.full([1], 0.0, tl.float32)
    if BLOCK > 1:
        values = tl.reshape(x, [x.numel // BLOCK, BLOCK])
        low = tl.min(values, axis=1, keep_dims=True)
        high = tl.max(values, axis=1, keep_dims=True)
        suspects = _lopsided(low, high, TIMES)
    else:
        values = x
        low = row_low
        high = row_high
    if BLOCK == -1:
        low = tl.load(extremes)
        high = tl.load(extremes + 1)
    error = round_trip(values, low, high, tl.maximum(-low, high), FORMULA, P, AT, DTYPE, NATIVE) - values
    error = tl.reshape(error, x.shape)
    if not EVEN:
        error = tl.where(mask, error, 0.0)
    return error, suspects


@triton.jit
def measure_rows(
    weight, extremes, out, total, length,
    FORMULAS: tl.constexpr, BLOCKS: tl.constexpr, PLACES: tl.constexpr, NUMBERS: tl.constexpr,
    LARGEST: tl.constexpr, TIMES: tl.constexpr,
    ROW_EXTREMES: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, VECTOR: tl.constexpr,
    DTYPE: tl.constexpr, EVEN: tl.constexpr, NATIVE: tl.constexpr, PAIRS: tl.constexpr,
):  # fmt: skip
    """Program i writes `out[i]`: squared norm, greatest magnitude, then of each format its squared error, its
    greatest error, (casts) how many values vanished and (others) how many rows or blocks may be lost.

    `weight` has `total` elements in rows of `length`. Format i is FORMULAS[i] with its numbers from
    NUMBERS[PLACES[i]] on, in blocks of BLOCKS[i] elements; 0 is a row and -1 the tensor, whose least and
    greatest value are `extremes`. Blocks of which an extreme is TIMES[i] times the other may be lost; where
    LARGEST[i] is not 0 rows, of which it leaves out so many values.
    """
    first = tl.program_id(0).to(tl.int64) * ROWS * length
    weight += first
    left = total - first
    row = tl.arange(0, ROWS)[:, None] * length
    column = tl.arange(0, COLUMNS)[None, :]
    if PAIRS:
        low = tl.full([ROWS, COLUMNS], 0x7F80, tl.int16)
        high = tl.full([ROWS, COLUMNS], -0x80, tl.int16)
    else:
        low = tl.full([ROWS, COLUMNS], float("inf"), tl.float32)
        high = tl.full([ROWS, COLUMNS], float("-inf"), tl.float32)
    if ROW_EXTREMES:
        for start in range(0, length, COLUMNS):
            at = start + column
            mask = (at < length) & (row + at < left)
            low, high = _extremes(low, high, _stored(weight, row + at, mask, EVEN), mask, DTYPE, EVEN, PAIRS)
    if PAIRS:
        low = _wide(low, DTYPE)
        high = _wide(high, DTYPE)
    row_low = tl.min(low, axis=1, keep_dims=True)
    row_high = tl.max(high, axis=1, keep_dims=True)
    zeros = tl.full([ROWS, COLUMNS], 0.0, tl.float32)
    none = tl.full([ROWS * COLUMNS // VECTOR], 0.0, tl.float32)
    norm = zeros
    greatest = none
    squares = ()
    worst = ()
    vanished = ()
    lost = ()
    for i in tl.static_range(len(FORMULAS)):
        squares = squares + (zeros,)
        worst = worst + (none,)
        vanished = vanished + (none,)
        lost = lost + (tl.full([ROWS * COLUMNS // BLOCKS[i] if BLOCKS[i] > 1 else 1], 0.0, tl.float32),)
    for start in range(0, length, COLUMNS):
        at = start + column
        mask = (at < length) & (row + at < left)
        x = _wide(_stored(weight, row + at, mask, EVEN), DTYPE)
        norm = tl.fma(x, x, norm)
        if not ROW_EXTREMES:
            greatest = tl.maximum(greatest, _greatest(x, VECTOR))
        squares_before, worst_before, vanished_before, lost_before = squares, worst, vanished, lost
        squares = ()
        worst = ()
        vanished = ()
        lost = ()
        for i in tl.static_range(len(FORMULAS)):
            error, suspects = _error(
                x,
                mask,
                row_low,
                row_high,
                extremes,
                TIMES[i],
                FORMULAS[i],
                BLOCKS[i],
                NUMBERS,
                PLACES[i],
                DTYPE,
                EVEN,
                NATIVE,
            )
            squares = squares + (tl.fma(error, error, squares_before[i]),)
            worst = worst + (tl.maximum(worst_before[i], _greatest(error, VECTOR)),)
            lost = lost + (lost_before[i] + suspects,)
            if BLOCKS[i] == 1:
                gone = tl.where((x != 0.0) & (error == -x), 1.0, 0.0)
                counts = tl.sum(tl.reshape(gone, [ROWS * COLUMNS // VECTOR, VECTOR]), axis=1)
                vanished = vanished + (vanished_before[i] + counts,)
            else:
                vanished = vanished + (vanished_before[i],)
    out += tl.program_id(0) * (2 + 4 * len(FORMULAS))
    tl.store(out, tl.sum(tl.reshape(norm, [ROWS * COLUMNS]).to(tl.float64), axis=0))
    if ROW_EXTREMES:
        # Rows beyond the last have no extremes: -inf.
        greatest = tl.reshape(tl.maximum(tl.maximum(-row_low, row_high), 0.0), [ROWS])
    tl.store(out + 1, tl.max(greatest, axis=0).to(tl.float64))
    for i in tl.static_range(len(FORMULAS)):
        tl.store(out + 2 + 4 * i, tl.sum(tl.reshape(squares[i], [ROWS * COLUMNS]).to(tl.float64), axis=0))
        tl.store(out + 3 + 4 * i, tl.max(worst[i], axis=0).to(tl.float64))
        tl.store(out + 4 + 4 * i, tl.sum(vanished[i].to(tl.float64), axis=0))
        if LARGEST[i]:
            tl.store(
                out + 5 + 4 * i, _lost_rows(norm, squares[i], row_low, row_high, LARGEST[i]).to(tl.float64)
            )
        elif BLOCKS[i] == 0:
            tl.store(out + 5 + 4 * i, tl.sum(_lopsided(row_low, row_high, TIMES[i]), axis=0).to(tl.float64))
        else:
            tl.store(out + 5 + 4 * i, tl.sum(lost[i], axis=0).to(tl.float64))

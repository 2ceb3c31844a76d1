"""Formats in Triton: what a round trip makes of a tile of weights, operation for operation that of `schemes`.

Compiled for a GPU or run by Triton's interpreter; imported only where triton is. Everything is float32,
rounded to the weight's dtype where a library computes in it. What a formula cannot do exactly becomes NaN,
and is measured again by the scheme itself. P[AT], P[AT + 1] … are the numbers that the scheme gives.
"""

from __future__ import annotations

import triton
import triton.language as tl

from bitlens.worker.kernels.arithmetic import (
    FLOAT16,
    clamp,
    divisor_of,
    own,
    quotient,
    tame,
    to_bfloat16,
    to_float8,
    whole,
)
from bitlens.worker.kernels.plan import FORMULAS

CAST_FLOAT16 = tl.constexpr(FORMULAS.index("cast_float16"))
CAST_BFLOAT16 = tl.constexpr(FORMULAS.index("cast_bfloat16"))
CAST_FLOAT8 = tl.constexpr(FORMULAS.index("cast_float8"))
QUANTO_INT8 = tl.constexpr(FORMULAS.index("quanto_int8"))
QUANTO_FLOAT8 = tl.constexpr(FORMULAS.index("quanto_float8"))
QUANTO_AFFINE = tl.constexpr(FORMULAS.index("quanto_affine"))
TORCHAO_INT8 = tl.constexpr(FORMULAS.index("torchao_int8"))
TORCHAO_FLOAT8 = tl.constexpr(FORMULAS.index("torchao_float8"))
TORCHAO_INT4_UNPACKED = tl.constexpr(FORMULAS.index("torchao_int4_unpacked"))
TORCHAO_INT4 = tl.constexpr(FORMULAS.index("torchao_int4"))
LLM_INT8 = tl.constexpr(FORMULAS.index("llm_int8"))
NEAREST = tl.constexpr(FORMULAS.index("nearest"))
SYMMETRIC = tl.constexpr(FORMULAS.index("symmetric"))
ASYMMETRIC = tl.constexpr(FORMULAS.index("asymmetric"))
TORCH_AO_INT8 = tl.constexpr(FORMULAS.index("torch_ao_int8"))
GGUF_Q8 = tl.constexpr(FORMULAS.index("gguf_q8"))
GGUF_SYMMETRIC = tl.constexpr(FORMULAS.index("gguf_symmetric"))
GGUF_AFFINE = tl.constexpr(FORMULAS.index("gguf_affine"))


@triton.jit
def cast_float16(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    return x.to(tl.float16).to(tl.float32)


@triton.jit
def cast_bfloat16(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    return to_bfloat16(x, NATIVE)


@triton.jit
def cast_float8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: mantissa bits, least normal, greatest; larger values differ by torch's version, so they are NaN."""
    return tl.where(tl.abs(x) <= P[AT + 2], to_float8(x, P[AT], P[AT + 1]), float("nan"))


@triton.jit
def quanto_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tame(quotient(absmax, 127.0, DTYPE, NATIVE), DTYPE)
    codes = tl.minimum(whole(quotient(x, divisor_of(scale), DTYPE, NATIVE)), 127.0)
    if DTYPE == FLOAT16:
        codes = tl.maximum(codes, -128.0)  # a subnormal scale may be far from absmax / 127
    return own(codes * scale, DTYPE, NATIVE)


@triton.jit
def quanto_float8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: mantissa bits, least normal, greatest of the float8 format."""
    scale = tame(quotient(absmax, P[AT + 2], DTYPE, NATIVE), DTYPE)
    scaled = clamp(quotient(x, scale, DTYPE, NATIVE), -P[AT + 2], P[AT + 2])
    return own(to_float8(scaled, P[AT], P[AT + 1]) * scale, DTYPE, NATIVE)


@triton.jit
def quanto_affine(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code, whether the shift is TinyGemm's."""
    scale = tame(quotient(own(high - low, DTYPE, NATIVE), P[AT], DTYPE, NATIVE), DTYPE)
    codes = quotient(own(x - low, DTYPE, NATIVE), divisor_of(scale), DTYPE, NATIVE)
    values = own(tl.minimum(whole(codes), P[AT]) * scale, DTYPE, NATIVE)
    if P[AT + 1]:
        half = own(scale * 8.0, DTYPE, NATIVE)
        return own(values - own(half - own(low + half, DTYPE, NATIVE), DTYPE, NATIVE), DTYPE, NATIVE)
    return own(values + low, DTYPE, NATIVE)


@triton.jit
def torchao_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tl.maximum(quotient(absmax, 127.5, DTYPE, NATIVE), P[AT])
    codes = clamp(whole(x * tl.div_rn(1.0, scale)), -128.0, 127.0)
    return own(codes * scale, DTYPE, NATIVE)


@triton.jit
def torchao_float8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = quotient(absmax, P[AT + 2], DTYPE, NATIVE)
    scaled = clamp(tl.div_rn(x, scale), -P[AT + 2], P[AT + 2])
    return own(to_float8(scaled, P[AT], P[AT + 1]) * scale, DTYPE, NATIVE)


@triton.jit
def torchao_int4_unpacked(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: least scale."""
    scale = tl.maximum(quotient(absmax, 7.5, DTYPE, NATIVE), P[AT])
    inverse = quotient(1.0, scale, DTYPE, NATIVE)
    codes = clamp(whole(own(x * inverse, DTYPE, NATIVE)), -8.0, 7.0)
    return own(codes * scale, DTYPE, NATIVE)


@triton.jit
def torchao_int4(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tl.div_rn(tl.maximum(high - low, 1e-6), 15.0)
    codes = clamp(whole(tl.div_rn(x - low, scale)), 0.0, 15.0) - 8.0
    zero = own(low + scale * 8.0, DTYPE, NATIVE)
    return own(codes * own(scale, DTYPE, NATIVE) + zero, DTYPE, NATIVE)


@triton.jit
def llm_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: what stands for 1 / 127."""
    largest = absmax.to(tl.float16).to(tl.float32)
    factor = tl.div_rn(1.0, divisor_of(largest)) * 127.0
    return whole(x.to(tl.float16).to(tl.float32) * factor) * largest * P[AT]


@triton.jit
def nearest(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: n, n + 1 sorted values, their n midpoints; ties go to the lower value."""
    absmax = tl.where((absmax > 0.0) & (absmax < 2.0**-126), float("nan"), absmax)
    scaled = x * tl.div_rn(1.0, tl.maximum(absmax, 2.0**-126))
    values = tl.full(x.shape, P[AT + 1], tl.float32)
    steps: tl.constexpr = P[AT]
    for i in tl.static_range(steps):
        values = tl.where(scaled > P[AT + steps + 2 + i], P[AT + 2 + i], values)
    return own(values * absmax, DTYPE, NATIVE)


@triton.jit
def symmetric(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code."""
    scale = tl.div_rn(absmax, P[AT])
    return clamp(whole(x * tl.div_rn(1.0, divisor_of(scale))), -P[AT], P[AT]) * scale


@triton.jit
def asymmetric(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code."""
    low = tl.minimum(low, 0.0)
    scale = tl.div_rn(tl.maximum(high, 0.0) - low, 2.0 * P[AT] + 1.0)
    divisor = divisor_of(scale)
    zero = whole((-P[AT] - 1.0) - tl.div_rn(low, divisor))
    codes = whole(x * tl.div_rn(1.0, divisor))
    return clamp(codes, (-P[AT] - 1.0) - zero, P[AT] - zero) * scale


@triton.jit
def torch_ao_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: least scale."""
    scale = tl.maximum(tl.div_rn(absmax, 127.5), P[AT])
    return clamp(whole(x * tl.div_rn(1.0, scale)), -128.0, 127.0) * scale


@triton.jit
def _inverse(scale):
    return tl.where(scale == 0.0, 0.0, tl.div_rn(1.0, divisor_of(scale)))


@triton.jit
def gguf_q8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tl.div_rn(absmax, 127.0)
    scaled = x * _inverse(scale)
    even = whole(scaled)
    away = tl.where(scaled < 0.0, scaled - 0.5, scaled + 0.5)
    return tl.where(tl.abs(scaled - even) == 0.5, away, even) * scale.to(tl.float16).to(tl.float32)


@triton.jit
def gguf_symmetric(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: half the number of codes. The scale has the sign of the first value of greatest magnitude."""
    place = tl.arange(0, x.shape[1])[None, :] * 2 + (x < 0.0).to(tl.int32)
    first = tl.min(tl.where(tl.abs(x) == absmax, place, 2 * x.shape[1]), axis=1, keep_dims=True)
    scale = tl.div_rn(tl.where(first % 2 == 1, absmax, -absmax), P[AT])
    codes = clamp(tl.floor(x * _inverse(scale) + (P[AT] + 0.5)), 0.0, 2.0 * P[AT] - 1.0)
    return (codes - P[AT]) * scale.to(tl.float16).to(tl.float32)


@triton.jit
def gguf_affine(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code."""
    scale = tl.div_rn(high - low, P[AT])
    codes = clamp(tl.floor((x - low) * _inverse(scale) + 0.5), 0.0, P[AT])
    return codes * scale.to(tl.float16).to(tl.float32) + low.to(tl.float16).to(tl.float32)


@triton.jit
def round_trip(
    x, low, high, absmax, FORMULA: tl.constexpr,
    P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr,
):  # fmt: skip
    """What a formula makes of values (blocks, length); their extremes are (blocks, 1), or of all."""
    if FORMULA == CAST_FLOAT16:
        return cast_float16(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == CAST_BFLOAT16:
        return cast_bfloat16(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == CAST_FLOAT8:
        return cast_float8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == QUANTO_INT8:
        return quanto_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == QUANTO_FLOAT8:
        return quanto_float8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == QUANTO_AFFINE:
        return quanto_affine(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == TORCHAO_INT8:
        return torchao_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == TORCHAO_FLOAT8:
        return torchao_float8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == TORCHAO_INT4_UNPACKED:
        return torchao_int4_unpacked(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == TORCHAO_INT4:
        return torchao_int4(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == LLM_INT8:
        return llm_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == NEAREST:
        return nearest(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == SYMMETRIC:
        return symmetric(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == ASYMMETRIC:
        return asymmetric(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == TORCH_AO_INT8:
        return torch_ao_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == GGUF_Q8:
        return gguf_q8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == GGUF_SYMMETRIC:
        return gguf_symmetric(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif FORMULA == GGUF_AFFINE:
        return gguf_affine(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    else:
        tl.static_assert(False, "no such formula")

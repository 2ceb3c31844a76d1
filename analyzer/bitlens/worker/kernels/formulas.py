"""Formats in Triton: what a round trip makes of a tile of weights, operation for operation that of `schemes`.

Compiled for a GPU or run by Triton's interpreter; imported only where triton is. Everything is float32,
rounded to the weight's dtype where a library computes in it. No operation may be contracted
(`enable_fp_fusion=False`), and nothing relies on a fused multiply-add, which the interpreter does not have.
What a formula cannot do exactly becomes NaN, and what is NaN is measured again by the scheme itself.
"""

from __future__ import annotations

import triton
import triton.language as tl

FLOAT32 = tl.constexpr(0)
BFLOAT16 = tl.constexpr(1)
FLOAT16 = tl.constexpr(2)

_TO_WHOLE = tl.constexpr(12582912.0)  # 1.5 * 2^23: adding it leaves no bit below 1


# Two at once, which Triton's own conversion does not do: a quarter of the instructions.
_PAIR_TO_BFLOAT16 = tl.constexpr("""{
    .reg .b32 pair;
    cvt.rn.bf16x2.f32 pair, $3, $2;
    shl.b32 $0, pair, 16;
    and.b32 $1, pair, 0xffff0000;
}""")


@triton.jit
def to_bfloat16(x, NATIVE: tl.constexpr):
    """Float32 rounded to nearest even bfloat16, as float32; by hand in the interpreter, which truncates."""
    if not NATIVE:
        bits = x.to(tl.int32, bitcast=True)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000
        return tl.where(x == x, rounded, bits).to(tl.float32, bitcast=True)
    elif x.shape[1] == 1:
        return x.to(tl.bfloat16).to(tl.float32)
    else:
        return tl.inline_asm_elementwise(
            _PAIR_TO_BFLOAT16, "=r,=r,r,r", [x], dtype=tl.float32, is_pure=True, pack=2
        )


@triton.jit
def _own(x, DTYPE: tl.constexpr, NATIVE: tl.constexpr):
    """Rounded to the weight's dtype, as float32."""
    if DTYPE == BFLOAT16:
        return to_bfloat16(x, NATIVE)
    if DTYPE == FLOAT16:
        return x.to(tl.float16).to(tl.float32)
    return x


@triton.jit
def _whole(x):
    """Nearest integer, ties to even, for magnitudes to 2^22; beyond them still monotone, for a clamp."""
    return (x + _TO_WHOLE) - _TO_WHOLE


@triton.jit
def _clamp(x, low, high):
    return tl.minimum(tl.maximum(x, low), high)


@triton.jit
def _divisor(scale):
    """1 where the scale is 0: what is divided by it is 0 too."""
    return tl.where(scale == 0.0, 1.0, scale)


@triton.jit
def _tame(scale, DTYPE: tl.constexpr):
    """NaN where `_quotient` would not be exact."""
    if DTYPE == BFLOAT16:
        safe = (scale == 0.0) | ((scale > 1e-36) & (scale < 1e36))
        return tl.where(safe, scale, float("nan"))
    return scale


@triton.jit
def _quotient(x, divisor, DTYPE: tl.constexpr, NATIVE: tl.constexpr):
    """x / divisor rounded to the weight's dtype.

    The quotient of two bfloat16 numbers is never nearer than 2^-17 of itself to a midpoint of bfloat16, so a
    product with the reciprocal rounds to the same number; the test of all pairs of significands says so too.
    """
    if DTYPE == BFLOAT16:
        return to_bfloat16(x * (1.0 / divisor), NATIVE)
    return _own(tl.div_rn(x, divisor), DTYPE, NATIVE)


@triton.jit
def _to_float8(x, MANTISSA: tl.constexpr, LEAST_NORMAL: tl.constexpr):
    """Nearest even value of a narrow format, for x in its range: adding 1.5 * 2^23 of its steps rounds x."""
    power = (x.to(tl.int32, bitcast=True) & 0x7F800000).to(tl.float32, bitcast=True)
    magic = tl.maximum(power, LEAST_NORMAL) * (1.5 * 2 ** (23 - MANTISSA))
    return (x + magic) - magic


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
    return tl.where(tl.abs(x) <= P[AT + 2], _to_float8(x, P[AT], P[AT + 1]), float("nan"))


@triton.jit
def quanto_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = _tame(_quotient(absmax, 127.0, DTYPE, NATIVE), DTYPE)
    codes = _clamp(_whole(_quotient(x, _divisor(scale), DTYPE, NATIVE)), -128.0, 127.0)
    return _own(codes * scale, DTYPE, NATIVE)


@triton.jit
def quanto_float8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: mantissa bits, least normal, greatest of the float8 format."""
    scale = _tame(_quotient(absmax, P[AT + 2], DTYPE, NATIVE), DTYPE)
    scaled = _clamp(_quotient(x, scale, DTYPE, NATIVE), -P[AT + 2], P[AT + 2])
    return _own(_to_float8(scaled, P[AT], P[AT + 1]) * scale, DTYPE, NATIVE)


@triton.jit
def quanto_affine(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code, whether the shift is TinyGemm's."""
    scale = _tame(_quotient(_own(high - low, DTYPE, NATIVE), P[AT], DTYPE, NATIVE), DTYPE)
    codes = _quotient(_own(x - low, DTYPE, NATIVE), _divisor(scale), DTYPE, NATIVE)
    values = _own(_clamp(_whole(codes), 0.0, P[AT]) * scale, DTYPE, NATIVE)
    if P[AT + 1]:
        half = _own(scale * 8.0, DTYPE, NATIVE)
        return _own(values - _own(half - _own(low + half, DTYPE, NATIVE), DTYPE, NATIVE), DTYPE, NATIVE)
    return _own(values + low, DTYPE, NATIVE)


@triton.jit
def torchao_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tl.maximum(_quotient(absmax, 127.5, DTYPE, NATIVE), P[AT])
    codes = _clamp(_whole(x * tl.div_rn(1.0, scale)), -128.0, 127.0)
    return _own(codes * scale, DTYPE, NATIVE)


@triton.jit
def torchao_float8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = _quotient(absmax, P[AT + 2], DTYPE, NATIVE)
    scaled = _clamp(tl.div_rn(x, scale), -P[AT + 2], P[AT + 2])
    return _own(_to_float8(scaled, P[AT], P[AT + 1]) * scale, DTYPE, NATIVE)


@triton.jit
def torchao_int4_unpacked(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: least scale."""
    scale = tl.maximum(_quotient(absmax, 7.5, DTYPE, NATIVE), P[AT])
    inverse = _quotient(1.0, scale, DTYPE, NATIVE)
    codes = _clamp(_whole(_own(x * inverse, DTYPE, NATIVE)), -8.0, 7.0)
    return _own(codes * scale, DTYPE, NATIVE)


@triton.jit
def torchao_int4(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tl.div_rn(tl.maximum(high - low, 1e-6), 15.0)
    codes = _clamp(_whole(tl.div_rn(x - low, scale)), 0.0, 15.0) - 8.0
    zero = _own(low + scale * 8.0, DTYPE, NATIVE)
    return _own(codes * _own(scale, DTYPE, NATIVE) + zero, DTYPE, NATIVE)


@triton.jit
def llm_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: what stands for 1 / 127."""
    largest = absmax.to(tl.float16).to(tl.float32)
    factor = tl.div_rn(1.0, _divisor(largest)) * 127.0
    return _whole(x.to(tl.float16).to(tl.float32) * factor) * largest * P[AT]


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
    return _own(values * absmax, DTYPE, NATIVE)


@triton.jit
def symmetric(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code."""
    scale = tl.div_rn(absmax, P[AT])
    return _clamp(_whole(x * tl.div_rn(1.0, _divisor(scale))), -P[AT], P[AT]) * scale


@triton.jit
def asymmetric(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code."""
    low = tl.minimum(low, 0.0)
    scale = tl.div_rn(tl.maximum(high, 0.0) - low, 2.0 * P[AT] + 1.0)
    divisor = _divisor(scale)
    zero = _whole((-P[AT] - 1.0) - tl.div_rn(low, divisor))
    codes = _whole(x * tl.div_rn(1.0, divisor))
    return _clamp(codes, (-P[AT] - 1.0) - zero, P[AT] - zero) * scale


@triton.jit
def torch_ao_int8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: least scale."""
    scale = tl.maximum(tl.div_rn(absmax, 127.5), P[AT])
    return _clamp(_whole(x * tl.div_rn(1.0, scale)), -128.0, 127.0) * scale


@triton.jit
def _inverse(scale):
    return tl.where(scale == 0.0, 0.0, tl.div_rn(1.0, _divisor(scale)))


@triton.jit
def gguf_q8(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    scale = tl.div_rn(absmax, 127.0)
    scaled = x * _inverse(scale)
    even = _whole(scaled)
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
    codes = _clamp(tl.floor(x * _inverse(scale) + (P[AT] + 0.5)), 0.0, 2.0 * P[AT] - 1.0)
    return (codes - P[AT]) * scale.to(tl.float16).to(tl.float32)


@triton.jit
def gguf_affine(
    x, low, high, absmax, P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr
):
    """P: greatest code."""
    scale = tl.div_rn(high - low, P[AT])
    codes = _clamp(tl.floor((x - low) * _inverse(scale) + 0.5), 0.0, P[AT])
    return codes * scale.to(tl.float16).to(tl.float32) + low.to(tl.float16).to(tl.float32)


@triton.jit
def round_trip(
    x, low, high, absmax, NAME: tl.constexpr,
    P: tl.constexpr, AT: tl.constexpr, DTYPE: tl.constexpr, NATIVE: tl.constexpr,
):  # fmt: skip
    """What the formula NAME makes of values (blocks, length); their extremes are (blocks, 1), or of all."""
    if NAME == "cast_float16":
        return cast_float16(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "cast_bfloat16":
        return cast_bfloat16(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "cast_float8":
        return cast_float8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "quanto_int8":
        return quanto_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "quanto_float8":
        return quanto_float8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "quanto_affine":
        return quanto_affine(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "torchao_int8":
        return torchao_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "torchao_float8":
        return torchao_float8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "torchao_int4_unpacked":
        return torchao_int4_unpacked(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "torchao_int4":
        return torchao_int4(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "llm_int8":
        return llm_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "nearest":
        return nearest(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "symmetric":
        return symmetric(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "asymmetric":
        return asymmetric(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "torch_ao_int8":
        return torch_ao_int8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "gguf_q8":
        return gguf_q8(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "gguf_symmetric":
        return gguf_symmetric(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    elif NAME == "gguf_affine":
        return gguf_affine(x, low, high, absmax, P, AT, DTYPE, NATIVE)
    else:
        tl.static_assert(False, "no such formula")

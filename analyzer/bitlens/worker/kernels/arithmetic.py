"""The arithmetic that formats are made of: rounding in float32, on a GPU or in Triton's interpreter.

No operation may be contracted (`enable_fp_fusion=False`), and nothing relies on a fused multiply-add, which
the interpreter does not have.
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
def own(x, DTYPE: tl.constexpr, NATIVE: tl.constexpr):
    """Rounded to the weight's dtype, as float32."""
    if DTYPE == BFLOAT16:
        return to_bfloat16(x, NATIVE)
    if DTYPE == FLOAT16:
        return x.to(tl.float16).to(tl.float32)
    return x


@triton.jit
def whole(x):
    """Nearest integer, ties to even, for magnitudes to 2^22; beyond them still monotone, for a clamp."""
    return (x + _TO_WHOLE) - _TO_WHOLE


@triton.jit
def clamp(x, low, high):
    return tl.minimum(tl.maximum(x, low), high)


@triton.jit
def divisor_of(scale):
    """1 where the scale is 0: what is divided by it is 0 too."""
    return tl.where(scale == 0.0, 1.0, scale)


@triton.jit
def tame(scale, DTYPE: tl.constexpr):
    """NaN where `_quotient` would not be exact."""
    if DTYPE == BFLOAT16:
        safe = (scale == 0.0) | ((scale > 1e-36) & (scale < 1e36))
        return tl.where(safe, scale, float("nan"))
    return scale


@triton.jit
def quotient(x, divisor, DTYPE: tl.constexpr, NATIVE: tl.constexpr):
    """x / divisor rounded to the weight's dtype.

    The quotient of two bfloat16 numbers is never nearer than 2^-17 of itself to a midpoint of bfloat16, so a
    product with the reciprocal rounds to the same number; the test of all pairs of significands says so too.
    """
    if DTYPE == BFLOAT16:
        return to_bfloat16(x * (1.0 / divisor), NATIVE)
    return own(tl.div_rn(x, divisor), DTYPE, NATIVE)


@triton.jit
def to_float8(x, MANTISSA: tl.constexpr, LEAST_NORMAL: tl.constexpr):
    """Nearest even value of a narrow format, for x in its range: adding 1.5 * 2^23 of its steps rounds x."""
    power = (x.to(tl.int32, bitcast=True) & 0x7F800000).to(tl.float32, bitcast=True)
    magic = tl.maximum(power, LEAST_NORMAL) * (1.5 * 2 ** (23 - MANTISSA))
    return (x + magic) - magic

"""What numeric formats are: bits, range, smallest step. From their definitions, without torch; tests compare
with it.

A binary floating format of e exponent and m mantissa bits with bias b has the step 2^-m at 1, the smallest
normal number 2^(1-b) and the smallest subnormal 2^(1-b-m). Its largest number is (2 - 2^-m) 2^(2^e-2-b) where
the top exponent is kept for infinity and NaN (IEEE 754).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bitlens import schemes
from bitlens.quantities import three_digits


@dataclass(frozen=True, slots=True)
class Floating:
    """A floating format; `max` is its largest finite number."""

    bits: int
    exponent: int
    mantissa: int
    bias: int
    max: float
    infinity: bool = True
    subnormals: bool = True

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number (`torch.finfo(…).eps`)."""
        return 2.0**-self.mantissa

    @property
    def tiny(self) -> float:
        """The smallest normal number (`torch.finfo(…).tiny`)."""
        return 2.0 ** (1 - self.bias)

    @property
    def least(self) -> float:
        """The smallest positive number."""
        return self.tiny * self.eps if self.subnormals else self.tiny


def _ieee(exponent: int, mantissa: int) -> Floating:
    bias = 2 ** (exponent - 1) - 1
    return Floating(1 + exponent + mantissa, exponent, mantissa, bias, (2 - 2.0**-mantissa) * 2.0**bias)


FLOATING = {
    "float64": _ieee(11, 52),
    "float32": _ieee(8, 23),
    "float16": _ieee(5, 10),
    "bfloat16": _ieee(8, 7),
    "float8_e5m2": _ieee(5, 2),
    "float8_e4m3fn": Floating(8, 4, 3, 7, 448.0, infinity=False),
    "float8_e4m3fnuz": Floating(8, 4, 3, 8, 240.0, infinity=False),
    "float8_e5m2fnuz": Floating(8, 5, 2, 16, 57344.0, infinity=False),
}
INTEGER = {f"{sign}int{bits}": (sign == "", bits) for bits in (8, 16, 32, 64) for sign in ("", "u")}
QUANTO = {
    "qint2": "2-bit integers with a scale and a shift per group of 128 weights, packed four to a byte",
    "qint4": "4-bit integers with a scale and a shift per group of 128 weights, packed two to a byte",
    "qint8": "8-bit integers from −127 to 127 with one scale per output channel",
    "qfloat8": "float8_e4m3fn with one scale per output channel",
    "qfloat8_e4m3fn": "float8_e4m3fn with one scale per output channel",
    "qfloat8_e5m2": "float8_e5m2 with one scale per output channel",
    "qfloat8_e4m3fnuz": "float8_e4m3fnuz with one scale per output channel",
}
FOUR_BIT = {
    "nf4": "4 bits: 16 levels between −1 and 1 at the quantiles of a normal distribution, times the"
    " largest magnitude of"
    " each block of 64 weights. 0 is a level, so zeros stay zeros",
    "fp4": "4 bits: a sign, 2 exponent bits and 1 mantissa bit, times the largest magnitude of each"
    " block of 64 weights",
}
_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "int": "int32",
    "long": "int64",
    "short": "int16",
}
_CALLS = {
    "optimum.quanto.quantize": "**optimum-quanto `quantize`** replaces every Linear and Conv2d by a"
    " quantized module. The"
    " weights stay in their dtype, and memory stays the same, until `freeze` is called.",
    "optimum.quanto.freeze": "**optimum-quanto `freeze`** replaces the weights by their quantized"
    " values: from here on the"
    " model takes the smaller memory, and cannot be trained back.",
    "transformers.BitsAndBytesConfig": "**BitsAndBytesConfig** makes `from_pretrained` replace Linear"
    " layers (not"
    " `lm_head`) by 8-bit or 4-bit ones.",
    "transformers.QuantoConfig": "**QuantoConfig** makes `from_pretrained` quantize weights with"
    " optimum-quanto.",
    "torch.quantization.quantize_dynamic": "**`quantize_dynamic`** replaces Linear and recurrent"
    " layers by int8 ones whose"
    " activations are quantized while they run. `torch.quantization` has moved to `torch.ao.quantization`.",
    "torch.ao.quantization.quantize_dynamic": "**`quantize_dynamic`** replaces Linear and recurrent"
    " layers by int8 ones"
    " whose activations are quantized while they run.",
}


def describe(name: str) -> str | None:
    """What the format of a dotted name (`torch.float16`), or of a string such as `nf4`, is; None for other
    names.
    """
    owner, _, last = name.rpartition(".")
    last = _ALIASES.get(last, last) if owner == "torch" else last
    if owner in ("torch", "") and last in FLOATING:
        return _floating(last, FLOATING[last])
    if owner in ("torch", "") and last in INTEGER:
        return _integer(last, *INTEGER[last])
    if owner in ("optimum.quanto", "quanto") and last in QUANTO:
        return f"**optimum-quanto {last}**: {QUANTO[last]}."
    if not owner and last in FOUR_BIT:
        return f"**{last}** (bitsandbytes): {FOUR_BIT[last]}."
    return None


def call(name: str) -> str | None:
    """What a quantizing function or configuration does; None for other names."""
    return _CALLS.get(name.replace("quanto.", "optimum.quanto.") if name.startswith("quanto.") else name)


_CODEBOOKS = {"nf4": 0.07958029955625534, "fp4": 0.005208333333333333, "mxfp4": 0.5 / 6}
"""The least positive level over the greatest."""


def dynamic_range(id: str) -> float | None:
    """Decibels between the greatest and the least magnitude that a scheme's numbers have under one scale.

    For integers the whole range over one step, 20·log10(2^bits − 1); None for vectors from a codebook.
    """
    if id.startswith(("aqlm", "quip_sharp")):
        return None
    floating = re.search(r"float8(_e\dm\d(fn)?)?|b?float16", id)
    if floating is not None:
        form = FLOATING[{"float8": "float8_e4m3fn"}.get(floating[0], floating[0])]
        return 20 * math.log10(form.max / form.least)
    code = re.search(r"mxfp4|nf4|fp4", id)
    if code is not None:
        return -20 * math.log10(_CODEBOOKS[code[0]])
    return 20 * math.log10(2 ** schemes.get(id).bits - 1)


def _floating(name: str, form: Floating) -> str:
    top = (
        "beyond it lies infinity"
        if form.infinity
        else "it has no infinity: larger numbers become NaN or the largest"
    )
    return (
        f"**{name}**: {form.bits} bits (1 sign, {form.exponent} exponent, {form.mantissa} mantissa)."
        f" Largest number"
        f" ±{_number(form.max)}; {top}. Smallest step at 1 is {_number(form.eps)}, about"
        f" {_digits(form.mantissa)} decimal"
        f" digits. Smallest normal number {_number(form.tiny)}, smallest positive {_number(form.least)}."
    )


def _integer(name: str, signed: bool, bits: int) -> str:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return f"**{name}**: {bits} bits, from {low:,} to {high:,} in steps of 1."


def _digits(mantissa: int) -> str:
    return three_digits((mantissa + 1) * 0.30103)


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1 <= value < 1e6 and value == int(value) else f"{value:.4g}"

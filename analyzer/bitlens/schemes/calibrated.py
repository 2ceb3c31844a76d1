"""Methods whose codes depend on samples of real input: what they store is known, their error is not.

AQLM's bytes were compared with aqlm 1.1.7's QuantizedLinear. The others follow source that was read and never
run: GPTQ's the buffers of AutoGPTQ's QuantLinear with float16 scales, AWQ's those of autoawq 0.2.9's
WQLinear_GEMM. GPTQ's divisors are those of its words, 32 / 4 codes in an int32; AutoGPTQ's own class counts
words by 32 features and would cut off the rest of fewer. SmoothQuant's are those of torch-int's Int8Linear;
SmoothQuant's own repository only simulates, in float16. QuIP#'s are those of quip-sharp's QuantizedLinear,
whose checkpoints are cast to float16: by its source the scale and the codebook's number take 10 bytes a layer
where 4 are counted here, and it joins projections (q, k, v), which shares their sign vectors. Neither of the
last two was compared with a checkpoint.
"""

from __future__ import annotations

from bitlens.schemes.base import ITEM_BYTES, Scheme, Shape, numel, row_length

_GROUP = 128


class _Calibrated(Scheme):
    library = "calibrated"
    needs_data = True
    caveat = "error needs calibration"
    outputs_divide_by = 1
    inputs_divide_by = 1

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape)

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        out, inputs = shape[0], row_length(shape)
        if out % self.outputs_divide_by or inputs % self.inputs_divide_by:
            return (
                f"its layout needs output features divisible by {self.outputs_divide_by} and input features"
                f" by {self.inputs_divide_by}, this weight is {out} x {inputs}"
            )
        return None


class Gptq(_Calibrated):
    """int32 words of eight codes, zero points packed alike, a scale per group, a group index per input."""

    id = "gptq.int4_g128"
    title = "GPTQ, int4"
    bits = 4
    granularity = "group of 128 along the row"
    bytes_per_weight = 0.5 + (0.5 + 2) / _GROUP
    outputs_divide_by = 8
    inputs_divide_by = 8

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        out, inputs = shape[0], row_length(shape)
        groups = -(-inputs // _GROUP)
        return numel(shape) // 2 + groups * out // 2 + groups * out * 2 + inputs * 4


class Awq(_Calibrated):
    """As GPTQ's, without the group index."""

    id = "awq.int4_g128"
    title = "AWQ, int4 (gemm layout)"
    bits = 4
    granularity = "group of 128 along the row"
    bytes_per_weight = 0.5 + (0.5 + 2) / _GROUP
    outputs_divide_by = 8
    inputs_divide_by = _GROUP

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        groups = numel(shape) // _GROUP
        return numel(shape) // 2 + groups // 2 + groups * 2


class SmoothQuant(_Calibrated):
    """int8 codes and a scale per output channel, in the weight's dtype."""

    id = "smoothquant.int8"
    title = "SmoothQuant, int8 weights"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + shape[0] * ITEM_BYTES[dtype]


class QuipSharp(_Calibrated):
    """E8P: 16 bits for eight weights, sign vectors of both sides in float16, one float32 scale."""

    id = "quip_sharp.e8p_2bit"
    title = "QuIP#, E8P lattice"
    bits = 2
    granularity = "tensor"
    bytes_per_weight = 0.25
    inputs_divide_by = 64

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) // 4 + 2 * (shape[0] + row_length(shape)) + 4


class Aqlm(_Calibrated):
    """A 16-bit code for eight weights, a codebook of 65536 x 8 float16 values per layer, channel scales."""

    id = "aqlm.1x16_g8"
    title = "AQLM, one codebook of 16 bits"
    bits = 2
    granularity = "output channel"
    bytes_per_weight = 0.25
    inputs_divide_by = 8

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) // 4 + 2 * 65536 * 8 + 2 * shape[0]


SCHEMES = (Gptq(), Awq(), SmoothQuant(), QuipSharp(), Aqlm())

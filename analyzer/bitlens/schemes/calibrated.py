"""Methods whose codes depend on samples of real input: what they store is known, their error is not.

AQLM's bytes were compared with aqlm 1.1.7's QuantizedLinear. The others follow source that was read and never
run, as what a checkpoint has of a layer's weight: AutoGPTQ's QuantLinear at 9f7d370, which counts words by 32
features (its Triton and ExLlama classes refuse others, the rest cut them off), with float16 scales; autoawq
0.2.9's WQLinear_GEMM; torch-int's W8FakeA8Linear at 65266db, whose `from_float` leaves the scales in the
weight's dtype (its W8A8 classes have one number instead; SmoothQuant's own repository only simulates);
quip-sharp's QuantizedLinear at 1d8f873, loaded in float16. QuIP# joins projections (q, k, v), which then
share their sign vectors.
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
    outputs_divide_by = 32
    inputs_divide_by = 32

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
    """int8 codes and a scale per output channel, which keeps the weight's dtype."""

    id = "smoothquant.int8"
    title = "SmoothQuant, int8 weights"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + shape[0] * ITEM_BYTES[dtype]


class QuipSharp(_Calibrated):
    """E8P: 16 bits for eight weights, in tiles of 16 x 64; sign vectors of both sides and a scale in float16.

    The codebook's number is an int64.
    """

    id = "quip_sharp.e8p_2bit"
    title = "QuIP#, E8P lattice"
    bits = 2
    granularity = "tensor"
    bytes_per_weight = 0.25
    outputs_divide_by = 16
    inputs_divide_by = 64

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) // 4 + 2 * (shape[0] + row_length(shape)) + 2 + 8


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

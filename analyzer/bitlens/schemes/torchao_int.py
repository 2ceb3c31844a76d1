"""torchao's integer weights (0.18, version 2 configurations): symmetric, scales by half the range of codes.

q = clamp(round(W * (1 / s)), low, high) in float32 and Ŵ = q s, rounded to the weight's dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import ITEM_BYTES, Chunk, Fused, Scheme, Shape, in_own_dtype, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor


LEAST_NORMAL = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-14}

ONE_INPUT = "torchao raises for a layer with one input feature"


def refuses_integers(shape: Shape, dtype: str) -> str | None:
    """What every integer configuration of torchao stumbles over."""
    if row_length(shape) == 1 and shape[0] > 1:
        return ONE_INPUT
    if dtype == "float64":
        return "torchao raises: it takes float32, bfloat16 and float16 weights, this one is float64"
    return None


class TorchaoInt8(Scheme):
    """s = max(absmax / 127.5, 2^-23) in the weight's dtype, kept in float32, with an int8 zero point of 0."""

    library = "torchao"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0
    arithmetic = "wide"

    def __init__(self, id: str, title: str) -> None:
        self.id = f"torchao.{id}"
        self.title = title

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape)

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        return refuses_integers(shape, dtype)

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("torchao_int8", 2.0**-23)

    def round_trip(self, chunk: Chunk) -> Tensor:
        absmax = chunk.absmax().to(getattr(chunk.torch, chunk.dtype))
        scale = (absmax / 127.5).clamp(min=2.0**-23).float()
        codes: Tensor = chunk.torch.mul(chunk.weight, scale.reciprocal(), out=chunk.buffer())
        codes.round_().clamp_(-128, 127).mul_(scale)
        return in_own_dtype(chunk, codes)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + shape[0] * (4 + 1)


class TorchaoInt4Unpacked(Scheme):
    """s = max(absmax / 7.5, smallest normal) per group of 32 in the weight's dtype; a code takes a byte."""

    id = "torchao.intx4_g32"
    title = "IntxWeightOnlyConfig(torch.int4, PerGroup(32)) of torchao, unpacked"
    library = "torchao"
    bits = 4
    granularity = "group of 32 along the row"
    bytes_per_weight = 1 + (2 + 1) / 32
    arithmetic = "wide"

    def block(self, shape: Shape, dtype: str) -> int:
        return 32

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        if row_length(shape) % 32:
            return f"torchao raises: {row_length(shape)} input features are not divisible by the group of 32"
        return refuses_integers(shape, dtype)

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("torchao_int4_unpacked", LEAST_NORMAL[dtype]) if dtype in LEAST_NORMAL else None

    def round_trip(self, chunk: Chunk) -> Tensor:
        own = getattr(chunk.torch, chunk.dtype)
        scale = (chunk.absmax().to(own) / 7.5).clamp(min=chunk.torch.finfo(own).smallest_normal)
        inverse = scale.reciprocal()
        if own == chunk.weight.dtype:
            codes: Tensor = chunk.torch.mul(chunk.weight, inverse, out=chunk.buffer())
            return codes.round_().clamp_(-8, 7).mul_(scale)
        codes = chunk.buffer(own).copy_(chunk.weight).mul_(inverse)
        return codes.round_().clamp_(-8, 7).mul_(scale)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + numel(shape) // 32 * (ITEM_BYTES[dtype] + 1)


class TorchaoInt4(Scheme):
    """In float32: s = max(max - min, 1e-6) / 15, z = min + 8 s, q = clamp(round((W - min) / s), 0, 15).

    s and z are kept in the weight's dtype; Ŵ = (q - 8) s + z.
    """

    id = "torchao.int4_weight_only"
    title = "Int4WeightOnlyConfig(group_size=128) of torchao"
    library = "torchao"
    bits = 4
    granularity = "group of 128 along the row"
    bytes_per_weight = 0.5 + 2 * 2 / 128
    caveat = "formula read from the source of the CUDA packing, not compared with a run"
    arithmetic = "wide"

    def block(self, shape: Shape, dtype: str) -> int:
        return 128

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        if row_length(shape) % 128:
            return f"torchao leaves it in float without a word: {row_length(shape)} input features % 128 != 0"
        return refuses_integers(shape, dtype)

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("torchao_int4",)

    def round_trip(self, chunk: Chunk) -> Tensor:
        own = getattr(chunk.torch, chunk.dtype)
        low = chunk.low()
        scale = (chunk.high() - low).clamp(min=1e-6) / 15
        codes: Tensor = chunk.torch.sub(chunk.weight, low, out=chunk.buffer())
        codes.div_(scale).round_().clamp_(0, 15).sub_(8)
        codes.mul_(scale.to(own)).add_((low + 8 * scale).to(own))
        return in_own_dtype(chunk, codes)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) // 2 + numel(shape) // 128 * 2 * ITEM_BYTES[dtype]


SCHEMES = (
    TorchaoInt8("int8_weight_only", "Int8WeightOnlyConfig of torchao"),
    TorchaoInt8("int8_dynamic", "weights of Int8DynamicActivationInt8WeightConfig of torchao"),
    TorchaoInt4Unpacked(),
    TorchaoInt4(),
)

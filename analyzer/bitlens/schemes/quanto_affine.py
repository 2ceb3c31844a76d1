"""optimum-quanto's 4-bit weights: a scale and a float shift per group (MaxOptimizer), packed in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import ITEM_BYTES, Chunk, Fused, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor


def group_size(shape: Shape) -> int | None:
    """Elements of a group: 128, 96, 64 or 32, the first that divides a row; None where rows stay whole."""
    length = row_length(shape)
    if length <= 128:
        return None
    return next((size for size in (128, 96, 64, 32) if length % size == 0), None)


def is_tinygemm(shape: Shape, dtype: str) -> bool:
    """Whether an int4 weight is packed for torch's TinyGemm kernel, which stores 8 s - shift for shift."""
    return dtype == "bfloat16" and len(shape) == 2 and group_size(shape) == 128


class QuantoAffine(Scheme):
    """s = (max - min) / (2^b - 1), q = clamp(round((W - min) / s), 0, 2^b - 1), Ŵ = s q + min."""

    library = "quanto"
    granularity = "group of 128 along the row (96, 64, 32 or the whole row where 128 does not divide it)"

    def __init__(self, bits: int) -> None:
        self.id = f"quanto.qint{bits}"
        self.title = f"int{bits} weights of optimum-quanto"
        self.bits = bits
        self.bytes_per_weight = bits / 8 + 2 * 2 / 128

    def block(self, shape: Shape, dtype: str) -> int:
        size = group_size(shape)
        if size is None and shape[0] == 1:
            # With one output channel quanto reduces every axis but the last, so that a block is one column.
            return max(1, numel(shape) // max(1, shape[-1]))
        return size or row_length(shape)

    def arrange(self, weight: Tensor) -> Tensor:
        shape = tuple(weight.shape)
        if shape[0] == 1 and group_size(shape) is None:
            return weight.reshape(-1, shape[-1]).t()
        return weight

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        if self.bits == 4 and is_tinygemm(shape, dtype) and shape[0] % 16:
            return (
                f"optimum-quanto raises here on the CPU: its packing of bfloat16 int4 weights needs"
                f" output features divisible by 16, this layer has {shape[0]}"
            )
        return None

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("quanto_affine", 2.0**self.bits - 1, self.bits == 4 and is_tinygemm(shape, dtype))

    def round_trip(self, chunk: Chunk) -> Tensor:
        low, top = chunk.low(), 2**self.bits - 1
        scale = (chunk.high() - low) / top
        # A constant group has scale 0: the library stores uint8(0 / 0) and multiplies it by 0.
        divisor = scale.masked_fill(scale == 0, 1)
        codes: Tensor = chunk.torch.sub(chunk.weight, low, out=chunk.buffer())
        codes.div_(divisor).round_().clamp_(0, top)
        codes.mul_(scale)
        if self.bits == 4 and is_tinygemm(chunk.shape, chunk.dtype):
            half = scale * 8
            return codes.sub_(half - (low + half))
        return codes.add_(low)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        size, per_byte = group_size(shape), 8 // self.bits
        if size is None and shape[0] == 1:
            return numel(shape) + 2 * shape[-1] * ITEM_BYTES[dtype]
        length = size or row_length(shape)
        rows = numel(shape) // max(1, length)
        return -(-rows // per_byte) * length + 2 * rows * ITEM_BYTES[dtype]


SCHEMES = (QuantoAffine(4), QuantoAffine(2))

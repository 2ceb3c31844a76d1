"""Casts to a narrower floating dtype, as `model.to(dtype)` makes them: the running torch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import FLOAT8, ITEM_BYTES, Chunk, Fused, Scheme, Shape, numel

if TYPE_CHECKING:
    from torch import Tensor


class Cast(Scheme):
    """Every value alone, rounded to nearest even. What becomes of larger values differs by torch version."""

    library = "torch"
    granularity = "none"
    arithmetic = "wide"

    def __init__(self, dtype: str, greatest: float, least: float) -> None:
        self.id = dtype
        self.dtype = dtype
        self.title = f"cast to torch.{dtype}"
        self.bits = 8 * ITEM_BYTES[dtype]
        self.bytes_per_weight = float(ITEM_BYTES[dtype])
        self.greatest = greatest
        self.least = least

    def block(self, shape: Shape, dtype: str) -> int:
        return 1

    def keeps(self, dtype: str) -> bool:
        return dtype == self.dtype

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("cast_float8", *FLOAT8[self.dtype]) if self.dtype in FLOAT8 else (f"cast_{self.dtype}",)

    def round_trip(self, chunk: Chunk) -> Tensor:
        narrow: Tensor = chunk.buffer(getattr(chunk.torch, self.dtype))
        return narrow.copy_(chunk.weight)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) * ITEM_BYTES[self.dtype]


# Greatest finite value and least positive one (subnormal) of each format.
SCHEMES = (
    Cast("float16", 65504.0, 2.0**-24),
    Cast("bfloat16", 255 * 2.0**120, 2.0**-133),
    Cast("float8_e4m3fn", 448.0, 2.0**-9),
    Cast("float8_e5m2", 57344.0, 2.0**-16),
)

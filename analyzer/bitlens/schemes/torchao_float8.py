"""torchao's Float8WeightOnlyConfig (0.18): e4m3fn with a scale per output channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import FLOAT8, Chunk, Fused, Scheme, Shape, in_own_dtype, numel, row_length
from bitlens.schemes.torchao_int import ONE_INPUT

if TYPE_CHECKING:
    from torch import Tensor


class TorchaoFloat8(Scheme):
    """s = absmax / 448 in the weight's dtype, kept in float32; q = e4m3fn(clamp(W / s, -448, 448)), Ŵ = q s.

    A row of zeros becomes NaN (0 / 0), as it does in the library.
    """

    id = "torchao.float8_weight_only"
    title = "Float8WeightOnlyConfig of torchao"
    library = "torchao"
    bits = 8
    granularity = "output channel"
    bytes_per_weight = 1.0
    arithmetic = "float32"

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape)

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        return ONE_INPUT if row_length(shape) == 1 and shape[0] > 1 else None

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("torchao_float8", *FLOAT8["float8_e4m3fn"])

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = (chunk.absmax().to(getattr(chunk.torch, chunk.dtype)) / 448.0).float()
        scaled: Tensor = chunk.torch.div(chunk.weight, scale, out=chunk.buffer())
        codes = chunk.buffer(chunk.torch.float8_e4m3fn).copy_(scaled.clamp_(-448, 448))
        return in_own_dtype(chunk, scaled.copy_(codes).mul_(scale))

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + shape[0] * 4


SCHEMES = (TorchaoFloat8(),)

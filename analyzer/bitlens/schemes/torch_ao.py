"""Integer weights of torch.ao.quantization, in float32 whatever the weight's dtype.

s = max(absmax / 127.5, 2^-23), q = clamp(round(W * (1 / s)), -128, 127), Ŵ = s q.
Stored: codes, and a float64 scale and int64 zero point per block, as torch's quantized tensors keep them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitlens.schemes.base import Chunk, Fused, Scheme, Shape, numel, row_length

if TYPE_CHECKING:
    from torch import Tensor


class TorchAoInt8(Scheme):
    """One scale per tensor, or per output channel."""

    library = "torch_ao"
    bits = 8
    bytes_per_weight = 1.0
    arithmetic = "float32"

    def __init__(self, id: str, title: str, channels: bool) -> None:
        self.id = f"torch_ao.{id}"
        self.title = title
        self.granularity = "output channel" if channels else "tensor"
        self.channels = channels

    def block(self, shape: Shape, dtype: str) -> int:
        return row_length(shape) if self.channels else numel(shape)

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        return ("torch_ao_int8", 2.0**-23)

    def round_trip(self, chunk: Chunk) -> Tensor:
        scale = (chunk.absmax() / 127.5).clamp(min=2.0**-23)
        codes: Tensor = chunk.torch.mul(chunk.weight, scale.reciprocal(), out=chunk.buffer())
        return codes.round_().clamp_(-128, 127).mul_(scale)

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        return numel(shape) + (shape[0] if self.channels else 1) * (8 + 8)


SCHEMES = (
    TorchAoInt8("dynamic_int8", "weights of torch.ao's quantize_dynamic", False),
    TorchAoInt8("x86_int8", "weights of torch.ao's static x86 and fbgemm configuration", True),
    TorchAoInt8("qnnpack_int8", "weights of torch.ao's static qnnpack configuration", False),
)

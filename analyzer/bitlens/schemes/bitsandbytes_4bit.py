"""bitsandbytes' 4-bit weights (0.50): sixteen values per block of 64, its scales optionally quantized too.

Blocks run over the flattened weight and cross its rows; the last one may be short.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from bitlens.schemes.base import Chunk, Fused, Scheme, Shape, in_own_dtype, numel
from bitlens.schemes.nearest import Nearest, nearest

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 64
_OUTER = 256
_LEAST = 1e-38

# The published NF4 values, and FP4's (sign, two exponent bits, one mantissa bit) divided by its greatest, 12.
_NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
_FP4_POSITIVE = (0.0, 0.0625, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
_FP4 = tuple(sorted({sign * value / 12 for sign in (-1, 1) for value in _FP4_POSITIVE}))


def dynamic_map(torch: Any, device: Any) -> Tensor:
    """The signed 8-bit dynamic type: seven decades below 1, the k-th of 2^k midpoints of equal steps."""
    positive = []
    for decade in range(7):
        edges = torch.linspace(0.1, 1, 2**decade + 1, dtype=torch.float32)
        positive.append(10.0 ** (decade - 6) * ((edges[:-1] + edges[1:]) / 2))
    values = torch.cat(positive)
    ends = torch.tensor([0.0, 1.0])
    return torch.cat([values, -values, ends]).sort().values.to(device)  # type: ignore[no-any-return]


class Bitsandbytes4bit(Scheme):
    """m = absmax of a block, q = nearest value to clamp(W / m, -1, 1), Ŵ = value m, in float32.

    "double": m is quantized too, around its mean, to the 8-bit dynamic type in blocks of 256.
    Stored: packed codes, m (float32 or 8-bit), the tables of values that every layer keeps.
    """

    library = "bitsandbytes"
    bits = 4
    arithmetic = "float32"

    def __init__(self, kind: str, values: tuple[float, ...], double: bool) -> None:
        self.id = f"bitsandbytes.{kind}{'_double' if double else ''}"
        self.title = f"{kind} weights of bitsandbytes{', scales quantized too' if double else ''}"
        self.granularity = "block of 64 of the flattened weight"
        self.bytes_per_weight = 0.5 + ((1 + 4 / _OUTER) if double else 4) / _BLOCK
        self.double = self.needs_whole = double
        self._values = values

    def block(self, shape: Shape, dtype: str) -> int:
        return _BLOCK

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        return "bitsandbytes raises: it takes 16 and 32-bit floats only" if dtype == "float64" else None

    def prepare(self, torch: Any, weight: Tensor, shape: Shape) -> tuple[Nearest, Tensor | None]:
        tables = nearest(torch, self._values, weight.device)
        return tables, _quantized_twice(torch, weight) if self.double else None

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        values = self._values
        return None if self.double else ("nearest", len(values) - 1, *values, *_midpoints(values))

    def round_trip(self, chunk: Chunk) -> Tensor:
        tables, scales = chunk.state
        torch, largest = chunk.torch, chunk.absmax()
        divisor = largest.clamp(min=_LEAST)
        x = chunk.buffer()
        if chunk.weight.shape[1] < _BLOCK:
            torch.div(chunk.weight, divisor, out=x)
            largest = divisor
        else:
            torch.mul(chunk.weight, divisor.reciprocal(), out=x)
        x = tables.round(chunk, x)
        if scales is not None:
            first = chunk.start // _BLOCK
            largest = scales[first : first + len(largest)].view(-1, 1)
        return in_own_dtype(chunk, x.mul_(largest))

    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        blocks = -(-numel(shape) // _BLOCK)
        packed = -(-numel(shape) // 2) + 4 * 16
        if not self.double:
            return packed + 4 * blocks
        return packed + blocks + 4 * -(-blocks // _OUTER) + 4 * 256 + 4


def _midpoints(values: tuple[float, ...]) -> tuple[float, ...]:
    """Halfway between neighbours, as float32 computes it."""
    return tuple(_single(_single(a) + _single(b)) / 2 for a, b in zip(values, values[1:]))


def _single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _quantized_twice(torch: Any, weight: Tensor) -> Tensor:
    """The scales of the whole weight after their own round trip, (blocks,)."""
    even = weight.numel() // _BLOCK * _BLOCK
    parts = [weight[:even].view(-1, _BLOCK), weight[even:].view(1, -1)]
    largest = torch.cat([torch.maximum(-p.amin(1), p.amax(1)).float() for p in parts if p.numel()])
    largest[len(parts[0]) :].clamp_(min=_LEAST)
    mean = largest.mean()
    centred = largest - mean
    table = dynamic_map(torch, weight.device)
    outer = [part.abs().amax() for part in centred.split(_OUTER)]
    result = [_to_dynamic(torch, part, top, table) * top for part, top in zip(centred.split(_OUTER), outer)]
    return torch.cat(result) + mean  # type: ignore[no-any-return]


def _to_dynamic(torch: Any, values: Tensor, top: Tensor, table: Tensor) -> Tensor:
    """Nearest values of the table as the library's CPU code finds them: through a grid of 65536 points."""
    grid = ((values / top + 1) * 0.5 * 65535 + 0.5).nan_to_num().int()
    points = -1 + 2 * grid / 65535
    return table[torch.bucketize(points, (table[1:] + table[:-1]) / 2)]


SCHEMES = tuple(
    Bitsandbytes4bit(kind, values, double)
    for kind, values in (("nf4", _NF4), ("fp4", _FP4))
    for double in (False, True)
)

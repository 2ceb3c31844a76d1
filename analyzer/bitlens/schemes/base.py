"""What a numeric format is: how a weight is cut into blocks, what a block becomes, how many bytes are stored.

A scheme never imports torch: the command line reads ids and bytes from the same file that the worker runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Shape = Sequence[int]

Fused = tuple[Any, ...]
"""A formula of `worker/kernels/formulas.py`, by name, and its numbers."""

ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "bfloat16": 2,
    "float16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
}
"""Bytes of one element of torch's floating dtypes, by their names."""

FLOAT8 = {"float8_e4m3fn": (3, 2.0**-6, 448.0), "float8_e5m2": (2, 2.0**-14, 57344.0)}
"""Mantissa bits, least normal and greatest finite value of torch's float8 dtypes."""

WEIGHT_DTYPES = ("float64", "float32", "bfloat16", "float16")
"""The dtypes of a weight that is not quantized yet."""


class Chunk(Protocol):
    """A run of whole blocks of one weight, or a piece of one large block: `weight` is (blocks, length)."""

    torch: Any
    """The torch module of the running interpreter."""
    weight: Tensor
    """Read only; in the dtype that the scheme's `arithmetic` asks for."""
    shape: Shape
    """Of the whole weight."""
    dtype: str
    """Name of the weight's own dtype."""

    start: int
    """Index of the chunk's first element in the arranged, flattened weight."""
    state: Any
    """What the scheme's `prepare` returned."""

    def low(self) -> Tensor:
        """The least value of each whole block, (blocks, 1), in `weight`'s dtype."""
        ...

    def high(self) -> Tensor:
        """The greatest value of each whole block, (blocks, 1), in `weight`'s dtype."""
        ...

    def absmax(self) -> Tensor:
        """The greatest magnitude of each whole block, (blocks, 1), in `weight`'s dtype."""
        ...

    def finite(self) -> bool:
        """Whether every value is finite."""
        ...

    def buffer(self, dtype: Any = None, use: str = "scheme") -> Tensor:
        """Reused memory of `weight`'s shape, content unknown; one per dtype (default: `weight`'s) and use."""
        ...


class Scheme(ABC):
    """One numeric format of one library. Blocks are consecutive elements of the flattened weight."""

    id: str
    """Stable, `library.format`; textbook and cast ids carry no library's name."""
    title: str
    library: str
    """Name of the backend that says which modules are converted."""
    bits: int
    granularity: str
    """Which elements share a scale, in words."""
    bytes_per_weight: float
    """What one element costs in a large bfloat16 weight, scales included."""
    caveat: str | None = None
    """What is to be said of every number of this scheme, e.g. that the formula was never run."""
    needs_data: bool = False
    """Whether the values depend on samples of real input: then there are bytes, but no round trip."""
    needs_whole: bool = False
    """Whether the blocks depend on what `prepare` finds in the whole weight."""
    arithmetic: Literal["weight", "wide", "float32"] = "weight"
    """"weight": computed in the weight's own dtype; "wide": in float32, or float64 for a float64 weight."""

    least: float | None = None
    """Least positive value of a cast's format, below which weights vanish; None for quantizers."""

    @abstractmethod
    def block(self, shape: Shape, dtype: str) -> int:
        """Elements of one block: they share their parameters, and no other element matters to them.

        A block of more than 256 may come in pieces that know the extremes of the whole, not its elements.
        """

    def round_trip(self, chunk: Chunk) -> Tensor:
        """What the library computes with after quantizing `chunk.weight`: same shape, any floating dtype.

        The result lies in a buffer that the caller may overwrite. Raises where `needs_data`.
        """
        raise NotImplementedError(f"{self.id} has no values without data")

    @abstractmethod
    def stored_bytes(self, shape: Shape, dtype: str) -> int:
        """Bytes of one converted weight of this shape and dtype: codes, scales, shifts, padding."""

    def refuses(self, shape: Shape, dtype: str) -> str | None:
        """Why the library cannot store a weight of this shape and dtype, or None where it can."""
        return None

    def keeps(self, dtype: str) -> bool:
        """Whether it changes no value of any weight of this dtype."""
        return False

    def fused(self, shape: Shape, dtype: str) -> Fused | None:
        """The GPU formula that does the same to such a weight, or None where there is none."""
        return None

    def prepare(self, torch: Any, weight: Tensor, shape: Shape) -> Any:
        """What chunks need to know of the whole weight (arranged, flattened, in its dtype); None for most."""
        return None

    def arrange(self, weight: Tensor) -> Tensor:
        """The weight with every block consecutive. Most libraries leave it as it is: (out, ...)."""
        return weight


def numel(shape: Shape) -> int:
    """Elements of a tensor of this shape."""
    count = 1
    for size in shape:
        count *= size
    return count


def row_length(shape: Shape) -> int:
    """Elements of one output channel of a weight (out, ...)."""
    return numel(shape[1:])


def in_own_dtype(chunk: Chunk, wide: Tensor) -> Tensor:
    """Values rounded to the weight's dtype, as a library leaves them that dequantizes into it."""
    own = getattr(chunk.torch, chunk.dtype)
    return wide if own == wide.dtype else chunk.buffer(own).copy_(wide)

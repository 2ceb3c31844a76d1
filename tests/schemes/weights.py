"""Weights to quantize, drawn by hypothesis, and our round trip of them, in chunks as the worker does it."""

from __future__ import annotations

import torch
from bitlens import schemes
from bitlens.worker.passes import CHUNK_ELEMENTS, Streamer
from hypothesis import strategies as st

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class Recorder(Streamer):
    """A Streamer that keeps every round trip it measures."""

    def __init__(self, chunk_elements: int = CHUNK_ELEMENTS) -> None:
        super().__init__(chunk_elements=chunk_elements)
        self.pieces: dict[int, torch.Tensor] = {}

    def _round_trip(self, scheme, chunk, dtype):  # type: ignore[no-untyped-def]
        result = super()._round_trip(scheme, chunk, dtype)
        self.pieces[chunk.start] = result.to(torch.float64, copy=True)
        return result


def round_trip(scheme_id: str, weight: torch.Tensor, chunk_elements: int = CHUNK_ELEMENTS) -> torch.Tensor:
    """The weight as the scheme leaves it, in its own shape, in float64."""
    scheme, recorder = schemes.get(scheme_id), Recorder(chunk_elements)
    recorder.measure(weight, [scheme])
    flat = torch.cat([recorder.pieces[start] for start in sorted(recorder.pieces)])
    order = scheme.arrange(torch.arange(weight.numel()).reshape(weight.shape)).reshape(-1)
    return torch.empty_like(flat).index_copy_(0, order, flat).reshape(weight.shape)


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Every element equal; NaN equals NaN, 0 equals -0."""
    torch.testing.assert_close(ours.double(), theirs.double(), rtol=0, atol=0, equal_nan=True)


def _degenerate(weight: torch.Tensor, kind: str) -> None:
    first = weight.view(weight.shape[0], -1)[0]
    if kind == "zero row":
        first.zero_()
    elif kind == "constant row":
        first.fill_(0.3)
    elif kind == "outlier":
        first[-1] = 1e4
    elif kind == "denormals":
        first.copy_(first * torch.finfo(weight.dtype).smallest_normal)
    elif kind == "tiny constant":
        first.fill_(torch.finfo(weight.dtype).smallest_normal / 4)
    elif kind == "beyond half the range":
        first[0], first[-1] = torch.finfo(weight.dtype).min * 0.9, torch.finfo(weight.dtype).max * 0.9
    elif kind in ("inf", "-inf", "nan"):
        first[-1] = float(kind)


KINDS = (
    "random",
    "zero row",
    "constant row",
    "outlier",
    "denormals",
    "tiny constant",
    "beyond half the range",
    "inf",
    "-inf",
    "nan",
)


@st.composite
def weights(draw: st.DrawFn, conv: bool = True) -> torch.Tensor:
    """A weight (out, in) or (out, in, height, width), odd sizes and one output channel among them."""
    out = draw(st.sampled_from((1, 1, 2, 3, 10, 16, 17, 32)))
    if conv and draw(st.booleans()):
        shape = (out, draw(st.sampled_from((1, 3, 16, 32))), *draw(st.sampled_from(((1, 1), (3, 3), (2, 5)))))
    else:
        shape = (out, draw(st.sampled_from((1, 2, 7, 100, 128, 129, 160, 192, 256, 300, 384, 500, 576))))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    weight = torch.randn(shape) * draw(st.sampled_from((1e-3, 0.05, 1.0, 30.0)))
    weight = weight.to(draw(st.sampled_from(DTYPES)))
    _degenerate(weight, draw(st.sampled_from(KINDS)))
    return weight


def stored_bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor, a tensor subclass taken apart down to its plain tensors."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        return sum(stored_bytes(getattr(tensor, name)) for name in names)
    return tensor.numel() * tensor.element_size()

"""How a layer's weights are spread: how many lie between equally spaced edges."""

from __future__ import annotations

from typing import Any

import torch

BINS = 64
MOST_ELEMENTS = 1 << 20
"""Of a larger tensor, evenly spaced elements are counted, about so many."""


def histogram(weight: torch.Tensor) -> dict[str, Any] | None:
    """`low` and `high` edge and `counts` of the finite values; None where there are none.

    A library's quantized tensor counts as what it stands for; codes that only the library can read, as none.
    """
    if not weight.is_floating_point() and not weight.is_quantized:
        return None
    plain = type(weight) in (torch.Tensor, torch.nn.Parameter) and not weight.is_quantized
    flat = (weight.detach() if plain else weight.detach().dequantize()).reshape(-1)
    values = flat[:: max(1, flat.numel() // MOST_ELEMENTS)].to(torch.float32)
    values = values[values.isfinite()]
    if not values.numel():
        return None
    low, high = values.min().item(), values.max().item()
    if low == high:
        return {"low": low, "high": high, "counts": [values.numel()]}
    counts = torch.histc(values, BINS, low, high)
    return {"low": low, "high": high, "counts": [int(n) for n in counts.tolist()]}

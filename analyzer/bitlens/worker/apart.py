"""Which rows of a model's matrices are likely to be unlike the others, told by its vectors alone.

The few channels of a residual stream that carry huge values have outliers in the rows of the matrices that
write to it, and biases and factors of normalization unlike the others' (Kovaleva et al., BERT Busters,
2021; Dettmers et al., LLM.int8, 2022). Vectors are small enough to be read whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

ROWS = 5
LONGEST = 1 << 16
MOST = 512
"""Vectors beyond these tell little more."""
_FARTHEST = 100.0

Apart = Mapping[int, "tuple[int, ...]"]
"""By the number of a matrix's rows, those to be looked at in any case."""


@torch.inference_mode()
def standing_apart(vectors: Iterable[Tensor]) -> dict[int, tuple[int, ...]]:
    """Of each length the places that are farthest from the median, on average over the vectors."""
    totals: dict[int, Tensor] = {}
    for vector in vectors:
        values = vector.detach().reshape(-1).to("cpu", torch.float32)
        distance = (values - values.median()).abs_()
        score = (distance / distance.median()).nan_to_num_(0.0).clamp_(max=_FARTHEST)
        totals[len(values)] = totals.get(len(values), 0.0) + score
    return {length: tuple(total.topk(min(ROWS, length)).indices.tolist()) for length, total in totals.items()}

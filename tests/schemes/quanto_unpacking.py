"""optimum-quanto without its C++ extension, which takes a minute to compile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module")
def unpacking_without_compiler() -> Iterator[None]:
    """The same unpacking in torch: the first axis is cut into 8 / bits parts that share their bytes."""
    from optimum.quanto.tensor.packed import PackedTensor

    def unpack(packed: PackedTensor) -> torch.Tensor:
        mask = (1 << packed._bits) - 1
        parts = [packed._data >> step & mask for step in range(0, 8, packed._bits)]
        return torch.cat(parts)[: packed.shape[0]]

    patch = pytest.MonkeyPatch()
    patch.setattr(PackedTensor, "unpack", unpack)
    yield
    patch.undo()

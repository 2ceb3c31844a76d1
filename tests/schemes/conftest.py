"""Libraries are compared with on one thread, on which bitlens measures each weight."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """torch's powers differ in their last bit where a thread's share of a tensor ends: hqq rounds by them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

"""A pass over a checkpoint holds one tensor at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from bitlens.worker.checkpoints.opening import open_checkpoint

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="reads resident pages from /proc")

COUNT, SIZE = 12, 8 << 20


def mapped_and_resident() -> int:
    """Bytes of files that are mapped into this process and in memory."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssFile"))
    return int(line.split()[1]) * 1024


def state() -> dict[str, torch.Tensor]:
    return {f"{number}.weight": torch.full((SIZE // 4,), float(number)) for number in range(COUNT)}


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_pages_leave_with_their_tensor(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"model.{kind}"
    if kind == "torch":
        torch.save(state(), path)
    else:
        safetensors.torch.save_file(state(), path)
    torch.ones(9).sum()  # torch's own code pages are in memory from here on
    with open_checkpoint(str(path)) as checkpoint:
        before = mapped_and_resident()
        for number in range(COUNT):
            tensor = checkpoint.read(f"{number}.weight")
            assert float(tensor.double().sum()) == number * SIZE // 4
            held = mapped_and_resident() - before
            assert SIZE // 2 < held < 2 * SIZE, f"{held} bytes of files in memory at tensor {number}"
            del tensor
            checkpoint.release()

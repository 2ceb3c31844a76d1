"""Damaged and hostile files: nothing but CheckpointError, and no memory beyond what the file holds."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.layers import describe
from bitlens.worker.checkpoints.opening import open_checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

resource = pytest.importorskip("resource", reason="memory limits are POSIX")

STATE = {
    "a.weight": torch.arange(12.0).reshape(4, 3),
    "a.bias": torch.ones(4),
    "b.embed.weight": torch.ones(5, 2).half(),
}
NUMBERS = [0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]


def safetensors_bytes() -> bytes:
    return safetensors.torch.save(STATE, {"format": "pt"})


def torch_bytes(zipped: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": STATE}, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def gguf_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        writer = gguf.GGUFWriter(Path(folder, "model.gguf"), "llama")
        writer.add_token_list(["one", "two"])
        writer.add_tensor("a", np.ones((2, 32), dtype=np.float32))
        writer.add_tensor("q", np.ones((2, 34), dtype=np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return Path(folder, "model.gguf").read_bytes()


FILES = {
    "safetensors": safetensors_bytes(),
    "gguf": gguf_bytes(),
    "zip": torch_bytes(True),
    "legacy": torch_bytes(False),
}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with up to four cuts, overwritten bytes, lying 64-bit numbers, doubled or removed stretches."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["cut", "overwrite", "number", "double", "remove"]))
        size = draw(st.integers(1, 16))
        if kind == "cut":
            del data[start:]
        elif kind == "overwrite":
            data[start : start + size] = draw(st.binary(min_size=size, max_size=size))
        elif kind == "number":
            data[start : start + 8] = struct.pack("<Q", draw(st.sampled_from(NUMBERS)))
        elif kind == "double":
            data[start:start] = data[start : start + 16 * size]
        else:
            del data[start : start + size]
    return bytes(data)


@contextmanager
def memory_limit(extra: int) -> Iterator[None]:
    """Let the process map at most `extra` bytes more than it has mapped now."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + extra, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def read_everything(path: Path) -> None:
    with open_checkpoint(str(path)) as checkpoint:
        total = sum(checkpoint.info(name).bytes for name in checkpoint.names())
        if checkpoint.format != "torch":  # two names of a torch file may share their bytes
            assert total <= path.stat().st_size
        for layer in describe(checkpoint).layers:
            for name in layer.stored:
                layer.read(name).double().sum()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the mapped size from /proc")
@pytest.mark.parametrize("kind", FILES)
def test_damage_raises_nothing_but_checkpoint_errors(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("model.safetensors" if kind == "safetensors" else "model.bin")

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(damaged(FILES[kind]))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read_everything(path)
        except CheckpointError as error:
            assert error.code and error.message and error.file == str(path)

    path.write_bytes(FILES[kind])
    read_everything(path)
    with memory_limit(1 << 29):
        check()

"""The transfer of `--device cuda` with CPU tensors: the same thread, buffers and order, without streams."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.opening import open_checkpoint
from bitlens.worker.kernels.transfer import Carrier, transferred
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

DTYPES = (torch.float32, torch.bfloat16, torch.float64, torch.int8, torch.bool, torch.float8_e4m3fn)


class Layer(NamedTuple):
    stored: frozenset[str]
    read: object


@settings(max_examples=50, deadline=None)
@given(
    shape=st.lists(st.integers(0, 9), max_size=4),
    dtype=st.sampled_from(DTYPES),
    staging=st.sampled_from((8, 24, 1 << 10)),
    transposed=st.booleans(),
)
def test_a_tensor_arrives_as_it_left(shape, dtype, staging, transposed) -> None:
    tensor = torch.randint(0, 2, shape).to(dtype)
    tensor = tensor.mT if transposed and tensor.ndim > 1 else tensor
    carrier = Carrier("cpu", staging)
    for _ in range(2):
        arrived = carrier.carry(tensor).wait()
        assert (arrived.shape, arrived.dtype) == (tensor.shape, tensor.dtype)
        assert torch.equal(arrived.double(), tensor.double())


def test_every_tensor_of_a_checkpoint_arrives_and_is_read_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {f"{layer}.{name}": torch.randn(50, 40) for layer in range(6) for name in "ab"}
    save_file(tensors, tmp_path / "model.safetensors")
    reads: list[str] = []
    with open_checkpoint(str(tmp_path / "model.safetensors")) as checkpoint:

        def layer(index: int) -> Layer:
            def read(name: str) -> torch.Tensor:
                reads.append(f"{index}.{name}")
                return checkpoint.read(f"{index}.{name}")

            return Layer(frozenset("ab"), read)

        for index, moved in enumerate(transferred([layer(i) for i in range(6)], "cpu", ahead_bytes=10_000)):
            for name in "abba":
                assert torch.equal(moved.read(name), tensors[f"{index}.{name}"])
    assert reads == sorted(tensors)


def test_what_waits_on_the_device_is_bounded() -> None:
    """With room for one tensor, the thread is at most one layer ahead of the layer at hand and the next."""
    reads: list[int] = []

    def layer(index: int) -> Layer:
        return Layer(frozenset("w"), lambda name: reads.append(index) or torch.ones(1000))

    for index, moved in enumerate(transferred([layer(i) for i in range(20)], "cpu", ahead_bytes=4000)):
        assert moved.read("w").sum() == 1000
        assert max(reads) <= index + 1


def test_what_is_not_asked_for_does_not_stop_the_rest() -> None:
    layers = [Layer(frozenset("ab"), lambda name, i=i: torch.full((4,), float(i))) for i in range(9)]
    seen = [moved.read("b")[0].item() for moved in transferred(layers, "cpu", ahead_bytes=1) if moved]
    assert seen == list(range(9))


def test_a_failed_read_is_raised_where_its_tensor_is_asked_for() -> None:
    def read(name: str) -> torch.Tensor:
        if name == "broken":
            raise CheckpointError("truncated", "cut off", "file")
        return torch.ones(2)

    for moved in transferred([Layer(frozenset({"broken", "good"}), read)] * 2, "cpu"):
        assert moved.read("good").sum() == 2
        with pytest.raises(CheckpointError, match="cut off"):
            moved.read("broken")


def test_the_thread_ends_with_its_reader() -> None:
    layers = [Layer(frozenset("w"), lambda name: torch.ones(10)) for _ in range(100)]
    for _ in transferred(layers, "cpu", ahead_bytes=1):
        break
    reading = transferred(layers, "cpu", ahead_bytes=1)
    next(reading)
    reading.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "bitlens-transfer"]

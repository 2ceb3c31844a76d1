"""The safetensors reader against the safetensors package."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.opening import open_checkpoint

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8,
    torch.bool, torch.complex64,
]  # fmt: skip


def test_every_tensor_of_a_real_file(minilm: Path) -> None:
    path = minilm / "model.safetensors"
    expected = safetensors.torch.load_file(path)
    with open_checkpoint(str(path)) as checkpoint:
        assert checkpoint.format == "safetensors"
        assert checkpoint.files == [str(path)]
        assert checkpoint.metadata == {"format": "pt"}
        assert set(checkpoint.names()) == set(expected)
        for name, tensor in expected.items():
            info = checkpoint.info(name)
            assert (info.shape, info.dtype) == (tuple(tensor.shape), str(tensor.dtype)[6:])
            assert info.bytes == tensor.nbytes
            assert torch.equal(checkpoint.read(name), tensor)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "model.safetensors"
    tensor = torch.arange(24).reshape(2, 3, 4).to(dtype)
    safetensors.torch.save_file(
        {"a": tensor, "empty": tensor[:0].clone(), "scalar": tensor[0, 0, 1].clone()}, path
    )
    with open_checkpoint(str(path)) as checkpoint:
        for name, expected in safetensors.torch.load_file(path).items():
            found = checkpoint.read(name)
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert torch.equal(found.reshape(-1).view(torch.uint8), expected.reshape(-1).view(torch.uint8))


@pytest.mark.parametrize(("code", "bits"), [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("F8_E8M0", 8)])
def test_types_below_a_byte_are_counted(write_header: Callable[..., Path], code: str, bits: int) -> None:
    path = write_header({"a": {"dtype": code, "shape": [8], "data_offsets": [0, bits]}}, bits)
    with safetensors.safe_open(path, "pt"), open_checkpoint(str(path)) as checkpoint:
        assert checkpoint.info("a").bytes == bits
        if bits < 8:
            with pytest.raises(CheckpointError, match=f"cannot read {code}"):
                checkpoint.read("a")


def test_unaligned_data_is_read(write_header: Callable[..., Path]) -> None:
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [3], "data_offsets": [1, 13]},
    }
    with open_checkpoint(str(write_header(header, 13))) as checkpoint:
        assert checkpoint.names() == ["a", "b"]
        assert checkpoint.read("b").tolist() == [0.0, 0.0, 0.0]


def test_a_tensor_outlives_its_file_and_a_write_does_not_reach_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"a": torch.ones(5000)}, path)
    before = path.read_bytes()
    with open_checkpoint(str(path)) as checkpoint:
        tensor = checkpoint.read("a")
    del checkpoint
    gc.collect()
    assert tensor.add_(1).sum() == 10000
    assert path.read_bytes() == before


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"a": torch.ones(5000)}, path)
    with open_checkpoint(str(path)) as checkpoint:
        safetensors.torch.save_file({"a": torch.ones(50)}, path)
        with pytest.raises(CheckpointError) as caught:
            checkpoint.read("a")
    assert caught.value.code == "changed"


def u8(start: int, end: int, shape: object = None, **more: object) -> dict[str, object]:
    return {
        "dtype": "U8",
        "shape": [end - start] if shape is None else shape,
        "data_offsets": [start, end],
        **more,
    }


LIES: dict[str, tuple[object, int, str]] = {
    "hole": ({"a": u8(0, 2), "b": u8(3, 5)}, 5, "bad-header"),
    "overlap": ({"a": u8(0, 3), "b": u8(2, 5)}, 5, "bad-header"),
    "same bytes twice": ({"a": u8(0, 2), "b": u8(0, 2)}, 2, "bad-header"),
    "behind the end": ({"a": u8(0, 9)}, 8, "truncated"),
    "bytes left over": ({"a": u8(0, 2)}, 8, "bad-header"),
    "shape too large": ({"a": u8(0, 2, [3])}, 2, "bad-header"),
    "enormous shape": ({"a": u8(0, 2, [2**62, 2**62])}, 2, "bad-header"),
    "negative size": ({"a": u8(0, 2, [-1, -2])}, 2, "bad-header"),
    "fraction": ({"a": u8(0, 2, [2.0])}, 2, "bad-header"),
    "truth as size": ({"a": u8(0, 1, [True])}, 1, "bad-header"),
    "text as shape": ({"a": u8(0, 2, "2")}, 2, "bad-header"),
    "ends before it starts": ({"a": {"dtype": "U8", "shape": [0], "data_offsets": [2, 0]}}, 2, "bad-header"),
    "three offsets": ({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 1, 2]}}, 2, "bad-header"),
    "unknown dtype": ({"a": {"dtype": "Q4", "shape": [2], "data_offsets": [0, 2]}}, 2, "unsupported-type"),
    "dtype is a list": (
        {"a": {"dtype": ["U8"], "shape": [2], "data_offsets": [0, 2]}},
        2,
        "unsupported-type",
    ),
    "entry is a number": ({"a": 3}, 0, "bad-header"),
    "metadata is nested": ({"__metadata__": {"a": {}}}, 0, "bad-header"),
    "not an object": (b"[]", 0, "bad-header"),
    "not JSON": (b"{nonsense", 0, "bad-header"),
    "not UTF-8": (b'{"\xff": 1}', 0, "bad-header"),
    "nested junk": (b'{"a":' + b"[" * 200_000, 0, "bad-header"),
    "number of many digits": (b'{"a": ' + b"9" * 500_000 + b"}", 0, "bad-header"),
    "repeated key": (
        f'{{"a": {json.dumps(u8(0, 2))}, "a": {json.dumps(u8(0, 2))}}}'.encode(),
        2,
        "bad-header",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused(write_header: Callable[..., Path], lie: str) -> None:
    header, size, code = LIES[lie]
    path = write_header(header, size)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(path))
    assert (caught.value.code, caught.value.file) == (code, str(path))
    if lie != "repeated key":  # the reference keeps one of the two
        with pytest.raises(safetensors.SafetensorError):
            safetensors.safe_open(path, "pt")


@pytest.mark.parametrize("length", [3, 2**20, 2**40, 2**64 - 1])
def test_a_header_length_that_lies(write_header: Callable[..., Path], length: int) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(write_header({}, 0, length)))
    assert caught.value.code in ("truncated", "bad-header")


def test_a_cut_off_file(minilm: Path, tmp_path: Path) -> None:
    whole = (minilm / "model.safetensors").read_bytes()
    cut = tmp_path / "model.safetensors"
    for size in (0, 7, 8, 5000, len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(str(cut))
        assert caught.value.code == "truncated"

"""The GGUF reader against the gguf package."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.ggml_blocks import CHUNK, DECODERS, dequantize
from bitlens.worker.checkpoints.ggml_types import TYPES
from bitlens.worker.checkpoints.opening import open_checkpoint

PLAIN = {
    "F32": np.float32,
    "F16": np.float16,
    "F64": np.float64,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
}


def reference(data: np.ndarray, kind: gguf.GGMLQuantizationType) -> torch.Tensor:
    with np.errstate(all="ignore"):
        return torch.from_numpy(gguf.quants.dequantize(data, kind).astype(np.float32))


def assert_same_bits(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal bit for bit; any NaN equals any NaN."""
    assert found.dtype == expected.dtype == torch.float32
    assert found.shape == expected.shape
    same = found.contiguous().view(torch.int32) == expected.contiguous().view(torch.int32)
    assert bool((same | (found.isnan() & expected.isnan())).all())


def test_type_table_is_that_of_the_package() -> None:
    expected = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {number: (kind.name, kind.block, kind.bytes) for number, kind in TYPES.items()} == expected


@pytest.mark.parametrize("name", DECODERS)
def test_random_blocks_decode_to_the_same_bits(name: str) -> None:
    """Every byte is random, so that scales are also negative, huge, denormal, infinite and NaN."""
    kind = gguf.GGMLQuantizationType[name]
    raw = np.random.default_rng(0).integers(0, 256, (700, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    blocks = torch.from_numpy(raw)
    assert_same_bits(dequantize(blocks, name), reference(raw, kind))
    with torch.device("meta"):  # a model is being built there
        assert dequantize(blocks, name).device.type == "cpu"


def test_chunks_do_not_show() -> None:
    raw = torch.randint(
        0, 256, (CHUNK // 32 + 5, 34), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert_same_bits(dequantize(raw, "Q8_0")[-9:], dequantize(raw[-9:], "Q8_0"))


def test_a_real_model(smollm: Path) -> None:
    reader = gguf.GGUFReader(smollm)
    with open_checkpoint(str(smollm)) as checkpoint:
        assert checkpoint.format == "gguf"
        assert checkpoint.metadata["general.architecture"] == "llama"
        assert checkpoint.metadata["llama.block_count"] == 30
        assert checkpoint.metadata["tokenizer.ggml.tokens"] == "<49152 values>"
        by_offset = sorted(reader.tensors, key=lambda tensor: tensor.data_offset)
        assert checkpoint.names() == [tensor.name for tensor in by_offset]
        for tensor in reader.tensors:
            info = checkpoint.info(tensor.name)
            assert info.shape == tuple(int(size) for size in reversed(tensor.shape))
            assert info.bytes == tensor.n_bytes
        for tensor in reader.tensors[1:10]:
            expected = reference(tensor.data, tensor.tensor_type).reshape(checkpoint.info(tensor.name).shape)
            assert_same_bits(checkpoint.read(tensor.name), expected)


def test_every_type_in_one_written_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(64)
    generator = np.random.default_rng(1)
    written: dict[str, np.ndarray] = {}
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        name = f"blk.0.{kind.name}.weight"
        if kind.name in PLAIN:
            written[name] = generator.integers(-9, 9, (3, 5)).astype(PLAIN[kind.name])
            writer.add_tensor(name, written[name])
        elif block > 1:
            written[name] = generator.integers(0, 60, (3, 2 * size), dtype=np.uint8)
            writer.add_tensor(name, written[name], raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open_checkpoint(str(path)) as checkpoint:
        assert set(checkpoint.names()) == set(written)
        for name, data in written.items():
            kind = gguf.GGMLQuantizationType[name.split(".")[2]]
            assert checkpoint.info(name).bytes == data.nbytes
            if kind.name in PLAIN:
                assert torch.equal(checkpoint.read(name), torch.from_numpy(data))
                checkpoint.expect(name, [0, 2])
                assert torch.equal(checkpoint.rows(name, [2, 0]), torch.from_numpy(data[[2, 0]]))
            elif kind.name in DECODERS:
                assert_same_bits(checkpoint.read(name), reference(data, kind))
            else:
                with pytest.raises(CheckpointError, match=f"stored as {kind.name}"):
                    checkpoint.read(name)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def header(
    pairs: bytes = b"", tensors: bytes = b"", counts: tuple[int, int] = (0, 0), version: int = 3
) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + pairs + tensors


def array(kind: int, length: int) -> bytes:
    return text("key") + struct.pack("<IIQ", 9, kind, length)


ONE = tensor("a", (4,))
LIES = {
    "version 1": (header(version=1), "unsupported-version"),
    "version 4": (header(version=4), "unsupported-version"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "unsupported-version"),
    "tensors that are not there": (header(counts=(2**62, 0)), "truncated"),
    "keys that are not there": (header(counts=(0, 2**62)), "truncated"),
    "text of 2^63 bytes": (header(struct.pack("<Q", 2**63) + bytes(64), counts=(0, 1)), "bad-header"),
    "text behind the end": (header(struct.pack("<Q", 2**20) + bytes(64), counts=(0, 1)), "truncated"),
    "numbers behind the end": (header(array(10, 2**61) + bytes(64), counts=(0, 1)), "truncated"),
    "texts behind the end": (header(array(8, 2**61) + bytes(64), counts=(0, 1)), "truncated"),
    "unknown kind": (header(text("key") + struct.pack("<I", 99) + bytes(9), counts=(0, 1)), "bad-header"),
    "nested arrays": (
        header(text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 99, counts=(0, 1)),
        "bad-header",
    ),
    "repeated key": (
        header((text("k") + struct.pack("<IB", 0, 1)) * 2 + bytes(9), counts=(0, 2)),
        "bad-header",
    ),
    "not UTF-8": (header(struct.pack("<Q", 1) + b"\xff" + bytes(9), counts=(0, 1)), "bad-header"),
    "five dimensions": (header(tensors=tensor("a", (1, 1, 1, 1, 1)), counts=(1, 0)), "bad-header"),
    "enormous shape": (header(tensors=tensor("a", (2**63, 2**63)), counts=(1, 0)), "bad-header"),
    "behind the end": (header(tensors=ONE, counts=(1, 0)), "truncated"),
    "odd offset": (header(tensors=tensor("a", (4,), offset=3) + bytes(99), counts=(1, 0)), "bad-header"),
    "row is no whole block": (header(tensors=tensor("a", (33,), 2) + bytes(99), counts=(1, 0)), "bad-header"),
    "unknown type": (header(tensors=tensor("a", (32,), 77) + bytes(99), counts=(1, 0)), "unsupported-type"),
    "overlap": (header(tensors=ONE + tensor("b", (4,)) + bytes(99), counts=(2, 0)), "bad-header"),
    "repeated name": (
        header(tensors=ONE + tensor("a", (4,), 0, 32) + bytes(99), counts=(2, 0)),
        "bad-header",
    ),
    "alignment 3": (
        header(text("general.alignment") + struct.pack("<II", 4, 3), ONE + bytes(99), (1, 1)),
        "bad-header",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(LIES[lie][0])
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(path))
    assert (caught.value.code, caught.value.file) == (LIES[lie][1], str(path))


def test_a_cut_off_file(smollm: Path, tmp_path: Path) -> None:
    cut = tmp_path / "model.gguf"
    with smollm.open("rb") as file:
        start = file.read(3_000_000)
    for size in (5, 30, 5000, 1_000_000, 3_000_000):
        cut.write_bytes(start[:size])
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(str(cut))
        assert caught.value.code == "truncated"

"""The safetensors format: 8 bytes of header length, a JSON header, then the tensors' bytes without a gap.

Refuses what the reference refuses (https://github.com/huggingface/safetensors), and repeated keys.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from typing import Any, BinaryIO

import torch

from bitlens.worker.checkpoints.base import (
    Checkpoint,
    CheckpointError,
    Run,
    TensorInfo,
    element_count,
    expect_runs,
    map_tensor,
    open_regular,
    read_runs,
    runs_of,
    stamp,
)
from bitlens.worker.checkpoints.json_text import MAX_BYTES, parse_object

_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8,
    "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
_TORCH_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32", "U32": "uint32",
    "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
}  # fmt: skip
_MAX_DIMENSIONS = 64


class SafetensorsFile(Checkpoint):
    """One .safetensors file."""

    format = "safetensors"

    def __init__(self, path: str) -> None:
        self.files = [path]
        self._path = path
        with open_regular(path) as file:
            self._stamp = stamp(file)
            size = os.fstat(file.fileno()).st_size
            header, self._start = _read_header(file, size, path)
        self.metadata = _metadata(header.pop("__metadata__", None), path)
        self._entries = _entries(header, size - self._start, path)

    def names(self) -> list[str]:
        """Names by offset."""
        return list(self._entries)

    def info(self, name: str) -> TensorInfo:
        """What the header says about `name`."""
        return self._entry(name)[0]

    def read(self, name: str) -> torch.Tensor:
        """A view of the file; CheckpointError `unreadable` where torch has no such dtype."""
        info, offset = self._entry(name)
        dtype = getattr(torch, info.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise CheckpointError("unreadable", f"This torch cannot read {info.dtype} ({name}).", self._path)
        try:
            return map_tensor(self._path, self._stamp, self._start + offset, info.shape, dtype)
        except (OSError, ValueError, RuntimeError, OverflowError) as error:
            raise CheckpointError("unreadable", f"{name} cannot be mapped: {error}", self._path) from None

    def rows(self, name: str, drawn: Sequence[int]) -> torch.Tensor:
        """Read from the file, nothing else of the tensor; without a row or a dtype of torch's as `read`."""
        info, _ = self._entry(name)
        dtype = getattr(torch, info.dtype, None)
        if not isinstance(dtype, torch.dtype) or not info.bytes:
            return super().rows(name, drawn)
        raw = read_runs(self._path, self._stamp, self._runs(name, drawn))
        return raw.view(dtype).view(len(drawn), *info.shape[1:])

    def expect(self, name: str, drawn: Sequence[int] | None) -> None:
        """Tells the operating system."""
        expect_runs(self._path, self._stamp, self._runs(name, drawn))

    def _runs(self, name: str, drawn: Sequence[int] | None) -> list[Run]:
        info, offset = self._entry(name)
        rows = info.shape[0] if info.shape else 1
        return runs_of(drawn, self._start + offset, info.bytes // max(1, rows), rows)

    def storage_key(self, name: str) -> Hashable:
        """Tensors never share bytes in this format."""
        return (self._path, self._entry(name)[0].name)

    def _entry(self, name: str) -> tuple[TensorInfo, int]:
        try:
            return self._entries[name]
        except KeyError:
            raise CheckpointError("missing-tensor", f"There is no tensor {name}.", self._path) from None


def _read_header(file: BinaryIO, size: int, path: str) -> tuple[dict[str, Any], int]:
    """The JSON header and the offset at which the tensors' bytes start."""
    prefix = file.read(8)
    if len(prefix) < 8:
        raise CheckpointError("truncated", "The file is shorter than a safetensors header.", path)
    length = int.from_bytes(prefix, "little")
    if length > MAX_BYTES:
        raise CheckpointError(
            "bad-header", f"The header claims {length} bytes; {MAX_BYTES} are allowed.", path
        )
    if length > size - 8:
        message = f"The header claims {length} bytes and the file has {size}: it was cut off; fetch it again."
        raise CheckpointError("truncated", message, path)
    return parse_object(file.read(length), "The safetensors header", path), 8 + length


def _metadata(found: object, path: str) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CheckpointError("bad-header", "__metadata__ is not a map from text to text.", path)
    return found


def _entries(header: dict[str, Any], available: int, path: str) -> dict[str, tuple[TensorInfo, int]]:
    """Tensors by name in order of offset, after checking that they cover the rest of the file exactly."""
    parsed = [_entry(name, fields, available, path) for name, fields in header.items()]
    parsed.sort(key=lambda entry: (entry[1], entry[0].bytes))
    end = 0
    for info, offset in parsed:
        if offset != end:
            what = "overlaps the tensor before it" if offset < end else "leaves a gap before it"
            raise CheckpointError("bad-header", f"{info.name} {what} (offset {offset}, not {end}).", path)
        end += info.bytes
    if end != available:
        raise CheckpointError(
            "bad-header", f"The tensors cover {end} bytes; the file holds {available}.", path
        )
    return {info.name: (info, offset) for info, offset in parsed}


def _entry(name: str, fields: object, available: int, path: str) -> tuple[TensorInfo, int]:
    """One tensor and its offset from the end of the header."""

    def refuse(what: str, code: str = "bad-header") -> CheckpointError:
        return CheckpointError(code, f"The header is wrong about {name[:200]}: {what}.", path)

    if not isinstance(fields, dict):
        raise refuse("its entry is not an object")
    code = fields.get("dtype")
    shape: Any = fields.get("shape")
    offsets: Any = fields.get("data_offsets")
    if not isinstance(code, str) or code not in _BITS:
        raise refuse(f"unknown dtype {str(code)[:40]!r}", "unsupported-type")
    if not _naturals(shape) or len(shape) > _MAX_DIMENSIONS:
        raise refuse("its shape is not a short list of sizes")
    if not _naturals(offsets) or len(offsets) != 2:
        raise refuse("its offsets are not two positions")
    first, last = offsets
    if not first <= last:
        raise refuse(f"it ends ({last}) before it starts ({first})")
    if last > available:
        raise refuse(
            f"it ends at byte {last} of {available}: the file is cut off or the header lies", "truncated"
        )
    count = element_count(shape, available * 8)
    if count is None or count * _BITS[code] != (last - first) * 8:
        raise refuse(f"{last - first} bytes cannot hold {code} of shape {shape}")
    dtype = _TORCH_NAMES.get(code, code)
    return TensorInfo(name, tuple(shape), dtype, last - first, path), first


def _naturals(found: Any) -> bool:
    return isinstance(found, list) and all(type(item) is int and item >= 0 for item in found)

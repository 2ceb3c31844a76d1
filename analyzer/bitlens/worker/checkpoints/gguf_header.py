"""The header of a GGUF file: metadata and tensor table, read with bounds on everything that the file claims.

Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import struct
from collections import deque
from dataclasses import dataclass
from typing import Any, BinaryIO

from bitlens.worker.checkpoints.base import CheckpointError, TensorInfo, element_count
from bitlens.worker.checkpoints.ggml_types import TYPES

_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MAX_STRING = 1 << 26
_MAX_ITEMS = 1 << 23
"""Strings and nested arrays read in all; the largest vocabularies have some 10^6 tokens and merges."""
_MAX_DEPTH = 4
_MAX_DIMENSIONS = 4
_KEPT_ARRAY = 64
"""Longer arrays (a vocabulary) are skipped and described by their length."""


@dataclass(frozen=True)
class GgufTensor:
    """One entry of the tensor table; `offset` counts from the start of the file."""

    info: TensorInfo
    type_number: int
    offset: int


class HeaderReader:
    """Reads one header front to back. Raises CheckpointError at the first thing that cannot be true."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._left = os.fstat(file.fileno()).st_size
        self._size = self._left
        self._items = 0

    def read(self) -> tuple[dict[str, Any], list[GgufTensor]]:
        """Metadata by key, and tensors in order of offset."""
        self._magic_and_version()
        tensor_count, pair_count = self._scalar("<Q"), self._scalar("<Q")
        if tensor_count > self._left // 24 or pair_count > self._left // 13:
            raise self._refuse(f"it claims {tensor_count} tensors and {pair_count} keys", "truncated")
        metadata: dict[str, Any] = {}
        for _ in range(pair_count):
            key = self._string()
            if key in metadata:
                raise self._refuse(f"the key {key[:100]!r} is there twice")
            metadata[key] = self._value(self._scalar("<I"), 0)
        table = [self._tensor() for _ in range(tensor_count)]
        return metadata, self._placed(table, self._alignment(metadata))

    def _refuse(self, what: str, code: str = "bad-header") -> CheckpointError:
        return CheckpointError(code, f"The GGUF header is wrong: {what}.", self._path)

    def _bytes(self, count: int) -> bytes:
        if count > self._left:
            raise self._refuse("it ends in the middle; the file is cut off", "truncated")
        found = self._file.read(count)
        if len(found) < count:
            raise self._refuse("it ends in the middle; the file is cut off", "truncated")
        self._left -= count
        return found

    def _scalar(self, code: str) -> Any:
        return struct.unpack(code, self._bytes(struct.calcsize(code)))[0]

    def _string(self) -> str:
        length = self._scalar("<Q")
        if length > _MAX_STRING:
            raise self._refuse(f"a text claims {length} bytes")
        self._count(1)
        try:
            return self._bytes(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self._refuse("a text is not UTF-8") from None

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > _MAX_ITEMS:
            raise self._refuse(f"it holds more than {_MAX_ITEMS} texts")

    def _magic_and_version(self) -> None:
        magic = self._bytes(4)
        raw = self._bytes(4)
        version = int.from_bytes(raw, "little")
        if magic != b"GGUF" or version & 0xFFFF == 0:
            message = "The file is big-endian or no GGUF file; convert it to little-endian GGUF version 3."
            raise CheckpointError("unsupported-version", message, self._path)
        if version not in (2, 3):
            message = f"GGUF version {version} is not readable (2 and 3 are); convert the model again."
            raise CheckpointError("unsupported-version", message, self._path)

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise self._refuse(f"unknown kind of value {kind}")
        if depth == _MAX_DEPTH:
            raise self._refuse("its arrays are nested too deeply")
        return self._array(self._scalar("<I"), self._scalar("<Q"), depth)

    def _array(self, kind: int, length: int, depth: int) -> Any:
        """The values of a short array; a description of a long one."""
        if kind in _SCALARS:
            return self._numbers(_SCALARS[kind], length)
        self._count(1)
        if length > self._left // 8:
            raise self._refuse(f"an array claims {length} elements", "truncated")
        values = (self._value(kind, depth + 1) for _ in range(length))
        if length <= _KEPT_ARRAY:
            return list(values)
        deque(values, maxlen=0)
        return f"<{length} values>"

    def _numbers(self, code: str, length: int) -> Any:
        size = struct.calcsize(code)
        if length * size > self._left:
            raise self._refuse(f"an array claims {length} elements", "truncated")
        if length <= _KEPT_ARRAY:
            return list(struct.unpack(f"<{length}{code[1]}", self._bytes(length * size)))
        self._file.seek(length * size, os.SEEK_CUR)
        self._left -= length * size
        return f"<{length} values>"

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape in torch's order (rows first), type number, offset in the data part."""
        name = self._string()
        dimensions = self._scalar("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise self._refuse(f"{name[:200]} has {dimensions} dimensions")
        shape = tuple(self._scalar("<Q") for _ in range(dimensions))[::-1]
        return name, shape, self._scalar("<I"), self._scalar("<Q")

    def _alignment(self, metadata: dict[str, Any]) -> int:
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
            raise self._refuse(f"general.alignment is {str(alignment)[:40]}, not a power of two")
        return alignment

    def _placed(self, table: list[tuple[str, tuple[int, ...], int, int]], alignment: int) -> list[GgufTensor]:
        """The table in order of offset, after checking that nothing overlaps, repeats or leaves the file."""
        start = -(-(self._size - self._left) // alignment) * alignment
        tensors = [self._place(*entry, start, alignment) for entry in table]
        if len({tensor.info.name for tensor in tensors}) != len(tensors):
            raise self._refuse("a tensor's name is there twice")
        tensors.sort(key=lambda tensor: (tensor.offset, tensor.info.bytes))
        end = start
        for tensor in tensors:
            if tensor.offset < end:
                raise self._refuse(f"{tensor.info.name} overlaps the tensor before it")
            end = tensor.offset + tensor.info.bytes
        return tensors

    def _place(
        self, name: str, shape: tuple[int, ...], number: int, offset: int, start: int, alignment: int
    ) -> GgufTensor:
        kind = TYPES.get(number)
        if kind is None:
            raise self._refuse(f"{name[:200]} has unknown type {number}", "unsupported-type")
        count = element_count(shape, self._size * kind.block)
        if count is None or (shape and shape[-1] % kind.block):
            raise self._refuse(f"{name[:200]} of type {kind.name} cannot have shape {shape}")
        if offset % alignment:
            raise self._refuse(f"{name[:200]} does not start at a multiple of {alignment}")
        nbytes = count // kind.block * kind.bytes
        if start + offset + nbytes > self._size:
            raise self._refuse(
                f"{name[:200]} ends behind the end of the file; the file is cut off", "truncated"
            )
        return GgufTensor(
            TensorInfo(name, shape, kind.torch_name or kind.name, nbytes, self._path), number, start + offset
        )

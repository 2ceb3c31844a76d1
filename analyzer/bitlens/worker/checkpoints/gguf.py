"""GGUF, the format of llama.cpp: plain tensors as views of the file, quantized ones decoded to float32."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from bitlens.worker.checkpoints.base import (
    Checkpoint,
    CheckpointError,
    Run,
    TensorInfo,
    expect_runs,
    map_tensor,
    open_regular,
    read_runs,
    runs_of,
    stamp,
)
from bitlens.worker.checkpoints.ggml_blocks import DECODERS, dequantize
from bitlens.worker.checkpoints.ggml_types import TYPES, GgmlType
from bitlens.worker.checkpoints.gguf_header import GgufTensor, HeaderReader


class GgufFile(Checkpoint):
    """One little-endian GGUF file of version 2 or 3."""

    format = "gguf"

    def __init__(self, path: str) -> None:
        self.files = [path]
        self._path = path
        with open_regular(path) as file:
            self._stamp = stamp(file)
            self.metadata, tensors = HeaderReader(file, path).read()
        self._tensors = {tensor.info.name: tensor for tensor in tensors}

    def names(self) -> list[str]:
        """Names by offset."""
        return list(self._tensors)

    def info(self, name: str) -> TensorInfo:
        """What the tensor table says; the shape is torch's (rows first), `bytes` those of the blocks."""
        return self._tensor(name).info

    def read(self, name: str) -> torch.Tensor:
        """Plain types as they are, quantized ones as float32; `unreadable` for types without a decoder."""
        tensor = self._tensor(name)
        kind = TYPES[tensor.type_number]
        if kind.torch_name is None and kind.name not in DECODERS:
            message = f"{name} is stored as {kind.name}, whose values bitlens cannot decode."
            raise CheckpointError("unreadable", message, self._path)
        try:
            return self._values(tensor, kind)
        except (OSError, ValueError, RuntimeError, OverflowError) as error:
            raise CheckpointError("unreadable", f"{name} cannot be read: {error}", self._path) from None

    def _values(self, tensor: GgufTensor, kind: GgmlType) -> torch.Tensor:
        shape = tensor.info.shape
        if kind.torch_name is not None:
            dtype: torch.dtype = getattr(torch, kind.torch_name)
            return map_tensor(self._path, self._stamp, tensor.offset, shape, dtype)
        rows = (tensor.info.bytes // kind.bytes, kind.bytes)
        blocks = map_tensor(self._path, self._stamp, tensor.offset, rows, torch.uint8)
        return dequantize(blocks, kind.name).reshape(shape)

    def rows(self, name: str, drawn: Sequence[int]) -> torch.Tensor:
        """Of plain types from the file alone; quantized ones as `read`."""
        tensor = self._tensor(name)
        plain = TYPES[tensor.type_number].torch_name
        if plain is None or not tensor.info.bytes:
            return super().rows(name, drawn)
        raw = read_runs(self._path, self._stamp, self._runs(name, drawn))
        return raw.view(getattr(torch, plain)).view(len(drawn), *tensor.info.shape[1:])

    def expect(self, name: str, drawn: Sequence[int] | None) -> None:
        """Tells the operating system."""
        expect_runs(self._path, self._stamp, self._runs(name, drawn))

    def _runs(self, name: str, drawn: Sequence[int] | None) -> list[Run]:
        tensor = self._tensor(name)
        rows = tensor.info.shape[0] if tensor.info.shape else 1
        return runs_of(drawn, tensor.offset, tensor.info.bytes // max(1, rows), rows)

    def storage_key(self, name: str) -> Hashable:
        """Tensors never share bytes in this format."""
        return (self._path, self._tensor(name).info.name)

    def _tensor(self, name: str) -> GgufTensor:
        try:
            return self._tensors[name]
        except KeyError:
            raise CheckpointError("missing-tensor", f"There is no tensor {name}.", self._path) from None

"""The one shape that every checkpoint reader has."""

from __future__ import annotations

import math
import mmap
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO

import torch

from bitlens.worker.failure import Refused


class CheckpointError(Refused):
    """A checkpoint that cannot be read: a stable code, what is wrong with the way out, and the file."""


@dataclass(frozen=True)
class TensorInfo:
    """What a file says about one of its tensors."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """torch's dtype name without `torch.`, or the format's name for what torch lacks (`Q4_0`, `F6_E2M3`)."""
    bytes: int
    """Bytes that the tensor takes in the file."""
    file: str


class Checkpoint(ABC):
    """An open checkpoint. Holds headers, never values: `read` maps or decodes one tensor at a time."""

    format: str
    files: list[str]
    metadata: dict[str, Any]

    @abstractmethod
    def names(self) -> list[str]:
        """Tensor names in the order in which the file holds their bytes."""

    @abstractmethod
    def info(self, name: str) -> TensorInfo:
        """What the file says about `name`; CheckpointError `missing-tensor` if it has none."""

    @abstractmethod
    def read(self, name: str) -> torch.Tensor:
        """The values, shaped as in `info`. To be looked at, not written to: it may be a view of the file."""

    def has_values(self, name: str) -> bool:
        """Whether the file holds values of `name`, not its shape alone."""
        return True

    def rows(self, name: str, drawn: Sequence[int]) -> torch.Tensor:
        """Some indices of the first dimension, in this order; a reader that can reads nothing else."""
        return self.read(name)[list(drawn)]

    def expect(self, name: str, drawn: Sequence[int] | None) -> None:  # noqa: B027 - a hint
        """These rows, or the whole tensor, will be asked for soon: the disk may start."""

    @abstractmethod
    def storage_key(self, name: str) -> Hashable:
        """Equal for two names exactly when they share the same stored bytes."""

    def release(self) -> None:  # noqa: B027 - most readers keep nothing once a tensor is dropped
        """Drop the pages of the file that earlier reads brought into memory."""

    def close(self) -> None:  # noqa: B027 - most readers keep no file open
        """Forget what is held in memory. Tensors read before stay valid."""

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_regular(path: str) -> BinaryIO:
    """Open an ordinary file for reading; CheckpointError for anything else (a pipe would hang the reader)."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise CheckpointError("not-a-file", f"{path} is not an ordinary file.", path)
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError("not-found", f"There is no file {path}.", path) from None
    except (OSError, ValueError) as error:
        raise CheckpointError("unreadable", f"{path} cannot be opened: {error}.", path) from None


def element_count(shape: Sequence[int], limit: int) -> int | None:
    """Product of `shape`, or None as soon as it exceeds `limit` (a lying shape costs no big-number work)."""
    if 0 in shape:
        return 0
    count = 1
    for size in shape:
        count *= size
        if count > limit:
            return None
    return count


def stamp(file: BinaryIO) -> tuple[int, ...]:
    """What tells a file from one written in its place: device, inode, size and time of the last change."""
    status = os.fstat(file.fileno())
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


_CHANGED = "The file was written to while it was read; start again."
_scattered = False


@contextmanager
def scattered_reads() -> Iterator[None]:
    """Of tensors that are read meanwhile only a few rows will be looked at: no pages around them are read."""
    global _scattered
    before, _scattered = _scattered, True
    try:
        yield
    finally:
        _scattered = before


def map_tensor(
    path: str, expected: tuple[int, ...], offset: int, shape: tuple[int, ...], dtype: torch.dtype
) -> torch.Tensor:
    """Tensor over bytes of a file, copied nowhere. The mapping lives exactly as long as the tensor's storage.

    One mapping per tensor, not per file: pages of an unmapped range leave the process, so that the peak of a
    pass over a file is its largest tensor. Private, so that a write to the tensor cannot reach the file.
    CheckpointError `changed` if the file's stamp is not the `expected` one: its header would lie.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes == 0:
        return torch.empty(shape, dtype=dtype, device="cpu")
    inset = offset % mmap.ALLOCATIONGRANULARITY
    with open_regular(path) as file:
        if stamp(file) != expected:
            raise CheckpointError("changed", _CHANGED, path)
        pages = mmap.mmap(file.fileno(), inset + nbytes, access=mmap.ACCESS_COPY, offset=offset - inset)
        if _scattered and hasattr(mmap, "MADV_RANDOM"):
            pages.madvise(mmap.MADV_RANDOM)
    raw = torch.frombuffer(pages, dtype=torch.uint8, count=nbytes, offset=inset)
    if offset % dtype.itemsize:
        raw = raw.clone()
    return raw.view(dtype).reshape(shape)


Stamp = tuple[int, ...]
Run = tuple[int, int]
"""Offset in a file, and bytes from there."""


def read_runs(path: str, expected: Stamp, runs: Sequence[Run]) -> torch.Tensor:
    """Bytes of a file, run after run, as uint8. CheckpointError `changed` as in `map_tensor`.

    Of a mapped file each page not yet in memory costs a fault and a wait of its own.
    """
    buffer = bytearray(sum(length for _, length in runs))
    view, filled = memoryview(buffer), 0
    with _unbuffered(path, expected) as file:
        for offset, length in runs:
            file.seek(offset)
            end = filled + length
            while filled < end:
                count = file.readinto(view[filled:end])
                if not count:
                    raise CheckpointError("changed", _CHANGED, path)
                filled += count
    return torch.frombuffer(buffer, dtype=torch.uint8) if buffer else torch.empty(0, dtype=torch.uint8)


def expect_runs(path: str, expected: Stamp, runs: Sequence[Run]) -> None:
    """Let the system read these bytes into its cache meanwhile, where it takes such hints."""
    if hasattr(os, "posix_fadvise"):
        with _unbuffered(path, expected) as file:
            for offset, length in runs:
                os.posix_fadvise(file.fileno(), offset, length, os.POSIX_FADV_WILLNEED)


@contextmanager
def _unbuffered(path: str, expected: Stamp) -> Iterator[Any]:
    with open_regular(path) as file:
        if stamp(file) != expected:
            raise CheckpointError("changed", _CHANGED, path)
        yield getattr(file, "raw", file)


def runs_of(drawn: Sequence[int] | None, offset: int, row_bytes: int, rows: int) -> list[Run]:
    """Where rows of a tensor lie that starts at `offset`; neighbours are one run, None means all rows."""
    if drawn is None:
        return [(offset, rows * row_bytes)]
    runs: list[Run] = []
    for row in drawn:
        at = offset + row * row_bytes
        if runs and sum(runs[-1]) == at:
            runs[-1] = (runs[-1][0], runs[-1][1] + row_bytes)
        else:
            runs.append((at, row_bytes))
    return runs

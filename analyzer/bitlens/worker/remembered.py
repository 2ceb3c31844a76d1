"""What was measured of each file of a checkpoint, kept on disk: only files that changed are measured again.

One JSON file for each file of weights, named by its path. It counts only while size, time of change and the
first bytes (the header) are as they were, and the versions of torch and of bitlens. What cannot be read is
ignored and replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bitlens import __version__
from bitlens.worker.passes import Sums

Key = tuple[str, int, str]
"""Name of a tensor in its layer, axis of its output channels, scheme id."""
Origin = tuple[str, str]
"""A file of weights and the name of a tensor in it."""
BOUND = 512
"""Files in the folder; those used longest ago are deleted beyond it."""
_HEADER = 1 << 20


class Memory:
    """The sums of a checkpoint's tensors, by file."""

    def __init__(self, folder: str | None, device: str) -> None:
        """Remembers nothing beyond the process where `folder` is None."""
        self._folder = Path(folder) if folder else None
        self._device = device
        self._files: dict[str, dict[str, list[float]]] = {}
        self._changed: set[str] = set()

    def layer(self, origins: Mapping[str, Origin]) -> _Layer:
        """What is known of the tensors of one layer; what is put into it is kept by `save`."""
        return _Layer(self, origins)

    def sums(self, file: str) -> dict[str, list[float]]:
        """What is known of one file of weights."""
        if file not in self._files:
            self._files[file] = self._load(file)
        return self._files[file]

    def note(self, file: str) -> None:
        """Something new is known of this file."""
        self._changed.add(file)

    def save(self) -> None:
        """Write what is new; never raises for what the disk refuses."""
        for file in self._changed if self._folder else ():
            with contextlib.suppress(OSError):
                self._write(file, {"stamp": self._stamp(file), "sums": self._files[file]})
        self._changed.clear()

    def _load(self, file: str) -> dict[str, list[float]]:
        if self._folder is None:
            return {}
        try:
            data = json.loads(self._path(file).read_bytes())
            known = data["sums"] if data["stamp"] == self._stamp(file) else {}
            os.utime(self._path(file))
            return {name: list(_sums(values)) for name, values in known.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _stamp(self, file: str) -> list[Any]:
        with open(file, "rb") as opened:
            status = os.fstat(opened.fileno())
            header = hashlib.sha256(opened.read(_HEADER)).hexdigest()
        return [__version__, torch.__version__, self._device, status.st_size, status.st_mtime_ns, header]

    def _path(self, file: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(file.encode(errors='replace')).hexdigest()}.json"

    def _write(self, file: str, data: dict[str, Any]) -> None:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "w") as opened:
            json.dump(data, opened)
        os.replace(name, self._path(file))
        found = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[BOUND:]:
            path.unlink()


class _Layer:
    """One layer's part of a memory; tensors of no single place in a file are forgotten with it."""

    def __init__(self, memory: Memory, origins: Mapping[str, Origin]) -> None:
        self._memory = memory
        self._origins = origins
        self._own: dict[Key, Sums] = {}

    def get(self, key: Key) -> Sums | None:
        """What was measured earlier; None where nothing is remembered."""
        try:
            return self[key]
        except KeyError:
            return None

    def __getitem__(self, key: Key) -> Sums:
        name, axis, scheme = key
        if name not in self._origins:
            return self._own[key]
        file, stored = self._origins[name]
        return _sums(self._memory.sums(file)[f"{stored}|{axis}|{scheme}"])

    def __setitem__(self, key: Key, sums: Sums) -> None:
        name, axis, scheme = key
        if name not in self._origins:
            self._own[key] = sums
            return
        file, stored = self._origins[name]
        self._memory.sums(file)[f"{stored}|{axis}|{scheme}"] = list(sums)
        self._memory.note(file)


def _sums(values: list[float]) -> Sums:
    norm, error, absmax, worst, *counts = values
    nonfinite, lost, vanished, rows, lost_blocks, blocks = map(int, counts)
    return Sums(norm, error, absmax, worst, nonfinite, lost, vanished, rows, lost_blocks, blocks)

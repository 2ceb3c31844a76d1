"""Several files that are one checkpoint, told by an index (`*.index.json`) or by llama.cpp's split names."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError, TensorInfo
from bitlens.worker.checkpoints.json_text import read_object

Opener = Callable[[str], Checkpoint]


class ShardedCheckpoint(Checkpoint):
    """The union of some open checkpoints, in their order."""

    def __init__(self, shards: list[Checkpoint], metadata: dict[str, Any], owners: dict[str, str]) -> None:
        """`owners` says which file holds a tensor that is in several of them."""
        self.shards = shards
        self.format = shards[0].format
        self.files = [file for shard in shards for file in shard.files]
        self.metadata = metadata
        self._shard_of: dict[str, Checkpoint] = {}
        for shard in shards:
            for name in shard.names():
                if name not in self._shard_of or owners.get(name) == shard.files[0]:
                    self._shard_of[name] = shard

    def names(self) -> list[str]:
        """Names by shard, then in the shard's order."""
        return list(self._shard_of)

    def info(self, name: str) -> TensorInfo:
        """What the shard says."""
        return self._shard(name).info(name)

    def read(self, name: str) -> torch.Tensor:
        """The shard's values."""
        return self._shard(name).read(name)

    def rows(self, name: str, drawn: Sequence[int]) -> torch.Tensor:
        """The shard's rows."""
        return self._shard(name).rows(name, drawn)

    def expect(self, name: str, drawn: Sequence[int] | None) -> None:
        """Tells the shard."""
        self._shard(name).expect(name, drawn)

    def storage_key(self, name: str) -> Hashable:
        """The shard's key, told apart from those of other shards."""
        shard = self._shard(name)
        return (shard.files[0], shard.storage_key(name))

    def release(self) -> None:
        """Drop the pages of every shard."""
        for shard in self.shards:
            shard.release()

    def close(self) -> None:
        """Close every shard."""
        for shard in self.shards:
            shard.close()

    def _shard(self, name: str) -> Checkpoint:
        try:
            return self._shard_of[name]
        except KeyError:
            raise CheckpointError(
                "missing-tensor", f"No shard holds a tensor {name}.", self.files[0]
            ) from None


def open_index(path: str, open_shard: Opener) -> ShardedCheckpoint:
    """Open what a `*.safetensors.index.json` or `*.bin.index.json` names, and check that it is all there."""
    index = read_object(path, "The index")
    weights = index.get("weight_map")
    files = list(weights.values()) if isinstance(weights, dict) else []
    if not isinstance(weights, dict) or not files or not all(isinstance(file, str) for file in files):
        raise CheckpointError("bad-header", "The index has no weight_map from tensor names to files.", path)
    for file in set(files):
        _refuse_outside(file, path)
    owners = {name: str(Path(path).parent / file) for name, file in weights.items()}
    metadata = index.get("metadata")
    found = open_all(
        list(dict.fromkeys(owners.values())),
        open_shard,
        metadata if isinstance(metadata, dict) else {},
        owners,
        path,
    )
    present = set(found.names())
    for name, file in owners.items():
        if name not in present:
            found.close()
            raise CheckpointError("missing-tensor", f"The index puts {name} in {file}, which has none.", path)
    return found


def open_all(
    files: list[str], open_shard: Opener, metadata: dict[str, Any], owners: dict[str, str], path: str
) -> ShardedCheckpoint:
    """Open every file as a part of the checkpoint at `path`; closes all of them again when one fails."""
    missing = [Path(file).name for file in files if not Path(file).exists()]
    if missing:
        names = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        message = (
            f"{len(missing)} of {len(files)} shards are missing: {names}. Fetch them into the same folder."
        )
        raise CheckpointError("missing-shard", message, path)
    shards: list[Checkpoint] = []
    try:
        for file in files:
            shards.append(open_shard(file))  # noqa: PERF401 - those opened so far are closed on an error
    except CheckpointError:
        for shard in shards:
            shard.close()
        raise
    return ShardedCheckpoint(shards, metadata, owners)


def split_files(path: str) -> list[str]:
    """All files of a GGUF split (`name-00001-of-00003.gguf`) that `path` belongs to, or just `path`."""
    match = re.match(r"(.*-)(\d{5})-of-(\d{5})\.gguf$", path, re.DOTALL)
    if match is None:
        return [path]
    return [f"{match[1]}{number:05d}-of-{match[3]}.gguf" for number in range(1, int(match[3]) + 1)]


def _refuse_outside(file: str, index: str) -> None:
    """An index may name files beside itself only."""
    parts = re.split(r"[/\\]", file)
    if (
        PurePosixPath(file).is_absolute()
        or Path(file).is_absolute()
        or ".." in parts
        or "\0" in file
        or not file
    ):
        message = f"The index names a file outside its folder: {file[:200]!r}."
        raise CheckpointError("unsafe-path", message, index)

"""Several files that are one checkpoint, told by an index (`*.index.json`) or by their numbered names."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError, TensorInfo
from bitlens.worker.checkpoints.json_text import read_object

_SPLIT = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})(\.(?:gguf|safetensors|bin))\Z", re.DOTALL)
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

    def has_values(self, name: str) -> bool:
        """Whether the shard has."""
        return self._shard(name).has_values(name)

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
    refuse_missing(files, path)
    shards: list[Checkpoint] = []
    try:
        for file in files:
            shards.append(open_shard(file))  # noqa: PERF401 - those opened so far are closed on an error
    except CheckpointError:
        for shard in shards:
            shard.close()
        raise
    return ShardedCheckpoint(shards, metadata, owners)


def refuse_missing(files: list[str], path: str, way_out: str = "Fetch them into the same folder.") -> None:
    """CheckpointError `missing-shard` where not all files of the checkpoint at `path` are there."""
    missing = [Path(file).name for file in files if not Path(file).exists()]
    if missing:
        names = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        message = f"{len(missing)} of {len(files)} shards are missing: {names}. {way_out}"
        raise CheckpointError("missing-shard", message, path)


def split_files(path: str) -> list[str]:
    """All files of the split (`name-00001-of-00003.gguf`) that `path` belongs to, or just `path`."""
    match = _SPLIT.match(path)
    if match is None:
        return [path]
    start, _, count, end = match.groups()
    files = [f"{start}-{number:05d}-of-{count}{end}" for number in range(1, int(count) + 1)]
    return files if path in files else [path]


def unsplit(name: str) -> str:
    """What a file would be called if it were not split."""
    return _SPLIT.sub(r"\1\4", name)


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

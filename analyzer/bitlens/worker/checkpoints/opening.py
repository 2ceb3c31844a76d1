"""From what a user names to an open checkpoint: a file by its content, a folder, an id in the hub cache."""

from __future__ import annotations

from pathlib import Path

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError, open_regular
from bitlens.worker.checkpoints.directory import checkpoint_file, is_described
from bitlens.worker.checkpoints.gguf import GgufFile
from bitlens.worker.checkpoints.hub import is_hub_id, snapshot_folder
from bitlens.worker.checkpoints.safetensors import SafetensorsFile
from bitlens.worker.checkpoints.sharded import open_all, open_index, split_files
from bitlens.worker.checkpoints.torch_file import TorchFile


def locate(target: str) -> tuple[str, str | None]:
    """The checkpoint file that `target` means, and the folder whose config.json describes it (None: none).

    `target` is a file, a folder, or `name` / `organisation/name` in the local hub cache.
    """
    if Path(target).is_dir():
        folder = target
    elif Path(target).exists() or not is_hub_id(target):
        return target, str(Path(target).parent) if is_described(target) else None
    else:
        folder = snapshot_folder(target)
    described = Path(folder, "config.json").is_file()
    return checkpoint_file(folder), folder if described else None


def open_checkpoint(path: str) -> Checkpoint:
    """Open a checkpoint file, a folder of one, or a hub id; CheckpointError where that is impossible.

    One file of a split stands for all of them; where others are missing it is opened alone, if it can be.
    """
    file, _ = locate(path)
    if file.endswith(".json"):
        return open_index(file, _open_file)
    files = split_files(file)
    if len(files) > 1 and (file.endswith(".gguf") or all(Path(part).exists() for part in files)):
        shards = open_all(files, _open_file, {}, {}, file)
        shards.metadata = shards.shards[0].metadata
        return shards
    return _open_file(file)


def _open_file(path: str) -> Checkpoint:
    """Open one file by its first bytes; the name decides only where the bytes do not."""
    with open_regular(path) as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        message = "The file is a Git LFS pointer, not the weights: run `git lfs pull` in its repository."
        raise CheckpointError("lfs-pointer", message, path)
    if start[:4] in (b"GGUF", b"FUGG"):
        return GgufFile(path)
    if start[8:9] == b"{" or path.endswith(".safetensors"):
        return SafetensorsFile(path)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return TorchFile(path)
    if not start:
        raise CheckpointError("truncated", "The file is empty.", path)
    message = "The file is neither safetensors, GGUF, torch.save output nor an *.index.json of shards."
    raise CheckpointError("unknown-format", message, path)

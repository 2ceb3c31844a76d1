"""Checkpoints in the local cache of a model hub."""

from __future__ import annotations

from bitlens.backends.hub import hub_cache, is_hub_id, snapshot
from bitlens.worker.checkpoints.base import CheckpointError

__all__ = ["hub_cache", "is_hub_id", "snapshot_folder"]


def snapshot_folder(hub_id: str) -> str:
    """Folder of the snapshot that `main` points to, else the newest; else CheckpointError `not-in-cache`."""
    folder = snapshot(hub_id)
    if folder is not None:
        return str(folder)
    message = (
        f"{hub_id} is neither a path nor in the local hub cache ({hub_cache()}). Fetch it first, for example"
        f" with `hf download {hub_id}`, or give the path of a checkpoint."
    )
    raise CheckpointError("not-in-cache", message)

"""The local hub cache, read by its layout on disk: no network and no huggingface_hub package.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from bitlens.worker.checkpoints.base import CheckpointError


def is_hub_id(text: str) -> bool:
    """Whether `text` has the form of a hub id: `name` or `organisation/name`."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", text) is not None and ".." not in text


def hub_cache() -> Path:
    """The cache folder that huggingface_hub would use, by the same environment variables."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.environ.get("HF_HOME") or default, "hub").expanduser()


def snapshot_folder(hub_id: str) -> str:
    """Folder of the snapshot that `main` points to, else the newest; else CheckpointError `not-in-cache`."""
    cache = hub_cache()
    repository = cache / ("models--" + hub_id.replace("/", "--"))
    snapshots = repository / "snapshots"
    revision = _main_revision(repository)
    if revision and (snapshots / revision).is_dir():
        return str(snapshots / revision)
    folders = [folder for folder in snapshots.iterdir() if folder.is_dir()] if snapshots.is_dir() else []
    if folders:
        return str(max(folders, key=lambda folder: folder.stat().st_mtime))
    message = (
        f"{hub_id} is neither a path nor in the local hub cache ({cache}). Fetch it first, for example with "
        f"`hf download {hub_id}`, or give the path of a checkpoint."
    )
    raise CheckpointError("not-in-cache", message)


def _main_revision(repository: Path) -> str:
    """The commit that refs/main names, or an empty text."""
    try:
        with (repository / "refs" / "main").open(encoding="ascii") as file:
            commit = file.read(200).strip()
    except (OSError, ValueError):
        return ""
    return commit if re.fullmatch(r"[\w-]+", commit) else ""

"""Where a model hub's files lie on this machine. Python 3.9 and the standard library: the worker uses it."""

from __future__ import annotations

import os
import re
from pathlib import Path


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


def snapshot(hub_id: str) -> Path | None:
    """Folder of the snapshot that `main` points to, else the newest; None where the id is not cached."""
    repository = hub_cache() / ("models--" + hub_id.replace("/", "--"))
    snapshots = repository / "snapshots"
    revision = _main_revision(repository)
    if revision and (snapshots / revision).is_dir():
        return snapshots / revision
    folders = [folder for folder in snapshots.iterdir() if folder.is_dir()] if snapshots.is_dir() else []
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _main_revision(repository: Path) -> str:
    """The commit that refs/main names, or an empty text."""
    try:
        with (repository / "refs" / "main").open(encoding="ascii") as file:
            commit = file.read(200).strip()
    except (OSError, ValueError):
        return ""
    return commit if re.fullmatch(r"[\w-]+", commit) else ""

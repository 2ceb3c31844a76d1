"""Folders of the user."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """The user's cache folder for bitlens: `$XDG_CACHE_HOME`, `%LOCALAPPDATA%` or `~/.cache`."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        folder = os.environ.get(variable)
        if folder and Path(folder).is_absolute():
            return Path(folder) / "bitlens"
    return Path(os.path.expanduser("~")) / ".cache" / "bitlens"

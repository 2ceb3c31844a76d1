"""How much memory this machine, or the container around it, has to give."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 0.8
"""Part of the memory that one measurement may take by default; the rest is the editor's and the system's."""
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def default_limit() -> int:
    """Bytes that a worker may allocate by default; 0 (no limit) if the machine does not tell its memory."""
    return int(_total() * SHARE)


def _total() -> int:
    sizes = [_machine(), *map(_cgroup, _CGROUPS)]
    return min((size for size in sizes if size), default=0)


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _cgroup(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0  # "max" means no limit

"""Whether kept results still hold: stamps of files, versions of libraries."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_VERSIONED = re.compile(
    r"(torch|transformers|torchvision|timm|optimum_quanto|optimum|accelerate|peft|safetensors|bitsandbytes|torchao"
    r"|diffusers|sentence_transformers)-.*\.dist-info"
)

Stamp = tuple[int, int]
"""Size and time of change of a file, in bytes and nanoseconds."""


def stamp_of(path: Path) -> Stamp | None:
    """Size and time of change of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def is_current(stamps: Mapping[str, Stamp]) -> bool:
    """Whether those files are still as they were."""
    return all(stamp_of(Path(file)) == stamp for file, stamp in stamps.items())


def versions(python: str) -> tuple[str, ...]:
    """Names and versions of the libraries in an interpreter's environment that numbers depend on, without
    running it.
    """
    found: set[str] = set()
    for folder in site_packages(python):
        with suppress(OSError):
            found.update(name for name in os.listdir(folder) if _VERSIONED.fullmatch(name))
    return tuple(sorted(found))


def site_packages(python: str) -> tuple[Path, ...]:
    """The folders of installed packages of an interpreter, by the layout of its environment."""
    root = Path(python).parent
    places = [*root.parent.glob("lib*/python*/site-packages"), root / "Lib" / "site-packages"]
    return tuple(dict.fromkeys(place.resolve() for place in places if place.is_dir()))

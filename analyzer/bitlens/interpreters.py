"""Which Python runs the worker: the user's, never by accident our own."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bitlens.problems import BitlensError, Problem

_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter and the reason why it was chosen."""

    path: str
    reason: str


def choose(asked: str | None) -> Interpreter:
    """`asked` (a path, a virtual environment or a name on PATH), else the active environment, else ours.

    Raises BitlensError `interpreter` if what was asked for does not exist.
    """
    if asked is not None:
        found = _resolve(asked)
        if found is None:
            raise BitlensError(
                Problem("interpreter", f"there is no Python at {asked}; give --python the path of one")
            )
        return Interpreter(found, "--python")
    for variable in _ACTIVE:
        folder = os.environ.get(variable)
        inside = _inside(Path(folder)) if folder else None
        if inside is not None:
            return Interpreter(inside, f"the active environment ({variable})")
    return Interpreter(sys.executable, "the interpreter that runs bitlens")


def beside(folder: Path, root: Path | None) -> str | None:
    """The Python of the nearest `.venv` or `venv` at or above `folder`, not above `root`; None where an
    environment is active, which goes first, and where there is none. Nothing is run.
    """
    if any(os.environ.get(variable) for variable in _ACTIVE):
        return None
    above = [one for one in folder.parents if root is not None and one.is_relative_to(root)]
    found = (_inside(one / name) for one in (folder, *above) for name in (".venv", "venv"))
    return next((python for python in found if python is not None), None)


def _resolve(asked: str) -> str | None:
    path = Path(asked).expanduser()
    if path.is_dir():
        return _inside(path)
    if path.is_file():
        return str(path.absolute())  # not resolved: a virtual environment's python is a link
    return shutil.which(asked) if path.name == asked else None


def _inside(folder: Path) -> str | None:
    for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        if (folder / name).is_file():
            return str((folder / name).absolute())
    return None


def site_packages(python: str) -> tuple[Path, ...]:
    """Folders of installed packages beside an interpreter, by their layout: the interpreter is not run."""
    prefix = Path(python).parent.parent
    found = [*prefix.glob("lib/python3*/site-packages"), *prefix.glob("Lib/site-packages")]
    return tuple(sorted(folder for folder in found if folder.is_dir()))

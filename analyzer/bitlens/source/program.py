"""A file or notebook as a program: its text, its statements, and the way from its lines back to cells."""

from __future__ import annotations

import io
import os
import re
import tokenize
from dataclasses import dataclass, replace
from pathlib import Path

from bitlens.problems import BitlensError, Problem
from bitlens.source.local_files import is_installed
from bitlens.source.notebook import CellLine, read_notebook
from bitlens.source.statements import SourceFile, parse
from bitlens.source.words import words

LARGEST_FILE = 20_000_000
"""Bytes; a longer Python file is data, not a program that somebody wrote."""
_MOST_LISTED = 20
_SKIPPED_FOLDERS = words(
    "node_modules site-packages dist-packages build dist __pycache__ venv env virtualenv conda-meta"
)
_USES_TORCH = re.compile(
    rb"\b(?:import|from)\s+(?:torch\w*|transformers|timm|diffusers|pytorch_lightning|lightning|peft"
    rb"|sentence_transformers|quanto|optimum|bitsandbytes|torchao|monai|open_clip|ctransformers|vllm)\b"
)


@dataclass(frozen=True, slots=True)
class Program:
    """The text of one file with line ends of `\\n`; of a notebook, its code cells in order."""

    path: Path
    text: str
    source: SourceFile
    cells: tuple[CellLine, ...] | None = None
    """For a notebook, where each line of `text` stands; None for a Python file."""

    @property
    def file(self) -> str:
        """The absolute path, as tracebacks and construction frames will name it."""
        return str(self.path.absolute())

    @property
    def unread(self) -> tuple[Problem, ...]:
        """What of it cannot be read, as warnings: the rest of it is answered. Lowers all of it."""
        return tuple(replace(one, file=self.file, severity="warning") for one in self.source.problems)

    def cell(self, line: int) -> CellLine | None:
        """The cell in which a line (from 1) of the program stands; None in a Python file."""
        if self.cells is None or not 1 <= line <= len(self.cells):
            return None
        return self.cells[line - 1]


def read(path: Path) -> Program:
    """Read a Python file or a notebook. Raises BitlensError where there is no text to read."""
    data = _bytes(path)
    if path.suffix == ".ipynb":
        text, cells = read_notebook(_decoded(data, "utf-8-sig", path), str(path))
        return program_of(text, path, cells)
    return program_of(_decoded(data, _encoding(data, path), path), path)


def program_of(text: str, path: Path, cells: tuple[CellLine, ...] | None = None) -> Program:
    """The program of a text that is already in memory; of a notebook, with the place of each line."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return Program(path, text, parse(text, draft=not is_installed(path)), cells)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise _unreadable(path, f"is longer than {LARGEST_FILE // 1_000_000} MB; name a smaller file")
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _unreadable(path, f"cannot be read ({reason}); check the path and its permissions") from error
    if b"\0" in data and path.suffix != ".ipynb":
        raise _unreadable(path, "holds NUL bytes, so it is no Python text; save it as UTF-8")
    return data


def _encoding(data: bytes, path: Path) -> str:
    try:
        return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except SyntaxError as error:
        raise _unreadable(
            path, f"has no readable encoding ({error.msg}); save it as UTF-8", line=1
        ) from error


def _decoded(data: bytes, encoding: str, path: Path) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unreadable(path, f"is not valid {encoding}; save it as UTF-8", line) from error


def _unreadable(path: Path, what: str, line: int | None = None) -> BitlensError:
    return BitlensError(Problem("unreadable-file", f"{path.name} {what}.", str(path), line))


def discover(directory: Path, problems: list[Problem]) -> list[Path]:
    """Python files and notebooks under `directory` that import torch or a library built on it, sorted.

    Environments, hidden folders and build outputs are left out. What is too long or cannot be opened is
    added to `problems`, as one warning.
    """
    found: list[Path] = []
    closed: list[Path] = []

    def refused(error: OSError) -> None:
        closed.append(Path(error.filename))

    for folder, folders, files in os.walk(directory, onerror=refused):
        folders[:] = sorted(name for name in folders if _is_project_folder(Path(folder, name)))
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix in (".py", ".ipynb") and not name.startswith("."):
                uses = _uses_torch(path)
                if uses is None:
                    closed.append(path)
                elif uses:
                    found.append(path)
    if closed:
        problems.append(_left_out(closed))
    return found


def _left_out(closed: list[Path]) -> Problem:
    listed = ", ".join(map(str, closed[:_MOST_LISTED])) + (", …" if len(closed) > _MOST_LISTED else "")
    limit = f"longer than {LARGEST_FILE // 1_000_000} MB or cannot be opened"
    message = f"{len(closed)} left out of the search, {limit}: {listed}"
    return Problem("left-out", message, severity="warning")


def _is_project_folder(path: Path) -> bool:
    skipped = path.name.startswith(".") or path.name in _SKIPPED_FOLDERS or path.name.endswith(".egg-info")
    return not skipped and not (path / "pyvenv.cfg").exists()


def _uses_torch(path: Path) -> bool | None:
    """None where that is not looked up."""
    try:
        # Whoever reads a pipe waits for its writer.
        if not path.is_file():
            return False
        if path.stat().st_size > LARGEST_FILE:
            return None
        return _USES_TORCH.search(path.read_bytes()) is not None
    except OSError:
        return None

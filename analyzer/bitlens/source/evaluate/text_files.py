"""Files beside the program that it reads while it builds a model: `open`, `os.path`, `glob`.

Only text files of the project and of installed packages are looked at, and nothing is ever written.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance, Iter

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

MAXIMUM_TEXT = 1_000_000
"""Bytes of a file that is read."""
MAXIMUM_ENTRIES = 4096
"""Entries of a folder that is listed."""


class Files:
    """What a machine sees of the disk."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.kind = _file_class(machine)

    def find(self, path: Any) -> Path | None:
        """The file or folder that a path of the program means, if it belongs to the project or a package.

        A relative path is looked for in the folders from which the program's files are imported.
        """
        name = self.name(path)
        if name is None or "\0" in name:
            return None
        bases = self.machine.imports.own
        options = [Path(name)] if os.path.isabs(name) else [folder / name for folder in bases]
        allowed = [*map(str, bases), *(folder.rstrip(os.sep) for folder in self.machine.imports.libraries)]
        for option in options:
            real = os.path.normpath(option)
            if any(_within(real, folder) for folder in allowed) and os.path.exists(real):
                return Path(real)
        return None

    def name(self, path: Any) -> str | None:
        """The text of a path or string; None where it is not known."""
        value = self.machine.host_value(path)
        if isinstance(value, Instance) and value.cls.lookup("__fspath__") is not MISSING:
            value = self.machine.call_method(value, "__fspath__", [], {})
        return value if isinstance(value, str) else None

    def text(self, path: Any) -> str | None:
        """What a file holds; None for one that is too large, no text, or not the program's."""
        found = self.find(path)
        try:
            if found is None or not found.is_file() or found.stat().st_size > MAXIMUM_TEXT:
                return None
            return found.read_text("utf-8")
        except (OSError, ValueError):
            return None

    def entries(self, path: Any) -> list[str] | None:
        """Names in a folder, sorted; None where they are not known."""
        found = self.find(path)
        try:
            return sorted(os.listdir(found))[:MAXIMUM_ENTRIES] if found is not None else None
        except OSError:
            return None

    def matching(self, path: str, pattern: str, deep: bool = False) -> list[str]:
        """Paths below a folder that fit a pattern of one name."""
        found: list[str] = []
        for name in self.entries(path) or ():
            below = os.path.join(path, name)
            if fnmatch.fnmatchcase(name, pattern):
                found.append(below)
            if deep and len(found) < MAXIMUM_ENTRIES and self.entries(below) is not None:
                found += self.matching(below, pattern, True)
        return found

    def open(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """`open(path, mode)`: an object to read from, or unknown."""
        mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
        text = self.text(args[0] if args else kwargs.get("file"))
        if text is None or not isinstance(mode, str) or set(mode) & set("wax+b"):
            return UNKNOWN
        self.machine.allocate(len(text))
        made = Instance(self.kind)
        made.attrs.update({"\0text": text, "name": str(self.name(args[0] if args else kwargs["file"]))})
        return made


def read_from(machine: Machine, source: Any) -> Any:
    """The text of an open file, or of a string; UNKNOWN for anything else."""
    value = machine.host_value(source)
    if isinstance(value, Instance):
        value = value.attrs.pop("\0text", UNKNOWN)
    return value if isinstance(value, str) else UNKNOWN


def _file_class(machine: Machine) -> ClassValue:
    def read(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return args[0].attrs.pop("\0text", "")

    def lines(args: list[Any], kwargs: dict[str, Any]) -> list[str]:
        return str(read(args, kwargs)).splitlines(keepends=True)

    table = {
        "read": read,
        "readlines": lines,
        "__iter__": lambda args, kwargs: Iter(iter(lines(args, kwargs))),
        "__enter__": lambda args, kwargs: args[0],
        "__exit__": lambda args, kwargs: None,
        "close": lambda args, kwargs: None,
    }
    return ClassValue(
        "TextIOWrapper",
        [ClassValue("IOBase", [], {})],
        {name: Native(name, run, method=True) for name, run in table.items()},
    )


def io_classes(machine: Machine) -> dict[str, Any]:
    """The classes of `io` that an open file belongs to."""
    kind = machine.files.kind
    return {"TextIOWrapper": kind, "TextIOBase": kind, "IOBase": kind.bases[0]}


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def path_functions(machine: Machine) -> dict[str, Any]:
    """The functions of `os.path` that look at the disk, or treat a path as text."""
    files = machine.files

    def tested(test: Any) -> Any:
        def run(args: list[Any], kwargs: dict[str, Any]) -> bool:
            found = files.find(args[0])
            return found is not None and test(found)

        return run

    def textual(function: Any) -> Any:
        def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
            names = [files.name(arg) for arg in args]
            return UNKNOWN if None in names else function(*names)

        return run

    table = {
        "isfile": tested(Path.is_file),
        "isdir": tested(Path.is_dir),
        "exists": tested(Path.exists),
        "join": textual(os.path.join),
        "dirname": textual(os.path.dirname),
        "basename": textual(os.path.basename),
        "splitext": textual(os.path.splitext),
        "split": textual(os.path.split),
        "normpath": textual(os.path.normpath),
        "isabs": textual(os.path.isabs),
        "abspath": textual(lambda name: str(files.find(name) or name)),
        "realpath": textual(lambda name: str(files.find(name) or name)),
        "expanduser": textual(lambda name: name),
        "expandvars": textual(lambda name: name),
    }
    return {name: Native(name, run) for name, run in table.items()}


def listing(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`os.listdir(path)`."""
    names = machine.files.entries(args[0] if args else kwargs.get("path", "."))
    return UNKNOWN if names is None else names


def glob_functions(machine: Machine) -> dict[str, Any]:
    """`glob.glob` for a pattern in the last part of a path."""

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        pattern = machine.files.name(args[0])
        if pattern is None:
            return UNKNOWN
        folder, name = os.path.split(pattern)
        deep = os.path.basename(folder) == "**"
        return machine.files.matching(os.path.dirname(folder) if deep else folder or ".", name, deep)

    return {"glob": Native("glob", run), "iglob": Native("iglob", lambda a, k: Iter(iter(run(a, k))))}

"""`pathlib`: paths as text, and as the files that `Files` sees; and addresses taken apart."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse, urlsplit

from bitlens.source.evaluate.callables import Native, PropertyValue
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Instance, Iter, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def path_classes(machine: Machine) -> dict[str, Any]:
    """`Path` and its pure relatives."""
    cls = ClassValue("Path", [], {})

    def made(text: str) -> Instance:
        path = Instance(cls)
        path.attrs["\0path"] = text
        return path

    def new(args: list[Any], kwargs: dict[str, Any]) -> Any:
        parts = [machine.files.name(part) for part in args[1:]]
        return (
            UNKNOWN if None in parts else made(posixpath.normpath(posixpath.join(".", *filter(None, parts))))
        )

    def pure(function: Callable[..., Any]) -> Callable[..., Any]:
        """A result of the path's text and of texts; a path where it is one."""

        def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
            texts = [machine.files.name(arg) for arg in args]
            if None in texts:
                return UNKNOWN
            result = function(PurePosixPath(texts[0] or "."), *texts[1:])
            return _wrapped(result, made)

        return run

    def tested(name: str) -> Callable[..., Any]:
        def run(args: list[Any], kwargs: dict[str, Any]) -> bool:
            found = machine.files.find(args[0])
            return found is not None and bool(getattr(found, name)())

        return run

    def real(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return made(str(machine.files.find(args[0]) or args[0].attrs["\0path"]))

    def read(args: list[Any], kwargs: dict[str, Any]) -> Any:
        text = machine.files.text(args[0])
        return Unknown("text of a file") if text is None else text

    def glob(deep: bool) -> Callable[..., Any]:
        def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
            pattern = args[1]
            if not isinstance(pattern, str) or "/" in pattern:
                return UNKNOWN
            paths = machine.files.matching(args[0].attrs["\0path"], pattern, deep)
            return Iter(made(path) for path in paths)

        return run

    def entries(args: list[Any], kwargs: dict[str, Any]) -> Any:
        names = machine.files.entries(args[0])
        folder = args[0].attrs["\0path"]
        return UNKNOWN if names is None else Iter(made(posixpath.join(folder, name)) for name in names)

    methods: dict[str, Callable[..., Any]] = {
        "__fspath__": lambda args, kwargs: args[0].attrs["\0path"],
        "__str__": lambda args, kwargs: args[0].attrs["\0path"],
        "as_posix": lambda args, kwargs: args[0].attrs["\0path"],
        "__truediv__": pure(lambda path, other: path / other),
        "__rtruediv__": pure(lambda path, other: other / path),
        "__eq__": pure(lambda path, other: path == PurePosixPath(other)),
        "__lt__": pure(lambda path, other: path < PurePosixPath(other)),
        "joinpath": pure(lambda path, *others: path.joinpath(*others)),
        "with_suffix": pure(lambda path, suffix: path.with_suffix(suffix)),
        "with_name": pure(lambda path, name: path.with_name(name)),
        "relative_to": pure(lambda path, other: path.relative_to(other)),
        "is_absolute": pure(lambda path: path.is_absolute()),
        "expanduser": pure(lambda path: path),
        "resolve": real,
        "absolute": real,
        **{name: tested(name) for name in ("exists", "is_file", "is_dir")},
        "read_text": read,
        "open": lambda args, kwargs: machine.files.open(args, kwargs),
        "glob": glob(False),
        "rglob": glob(True),
        "iterdir": entries,
    }
    properties: dict[str, Callable[[PurePosixPath], Any]] = {
        "name": lambda path: path.name,
        "stem": lambda path: path.stem,
        "suffix": lambda path: path.suffix,
        "parent": lambda path: path.parent,
        "parents": lambda path: tuple(path.parents),
        "parts": lambda path: path.parts,
    }
    cls.ns["__new__"] = Native("__new__", new)
    cls.ns["__init__"] = Native("__init__", lambda args, kwargs: None, method=True)
    for name, method in methods.items():
        cls.ns[name] = Native(name, method, method=True)
    for name, function in properties.items():
        cls.ns[name] = PropertyValue(Native(name, pure(function)))
    return dict.fromkeys(("Path", "PurePath", "PosixPath", "PurePosixPath"), cls)


def _wrapped(result: Any, made: Callable[[str], Instance]) -> Any:
    if isinstance(result, PurePosixPath):
        return made(str(result))
    if isinstance(result, tuple):
        return tuple(_wrapped(item, made) for item in result)
    return result


def addresses(machine: Machine) -> dict[str, Any]:
    """`urllib.parse`, as far as it takes addresses apart."""
    result = ClassValue("SplitResult", [tuple], {})

    def taken_apart(by: Callable[[str], Any], args: list[Any]) -> Any:
        if len(args) != 1 or not isinstance(args[0], str):
            return UNKNOWN
        parts = by(args[0])
        made = Instance(result)
        made.host = tuple(parts)
        made.attrs.update(parts._asdict())
        return made

    return {
        "urlsplit": Native("urlsplit", lambda args, kwargs: taken_apart(urlsplit, args)),
        "urlparse": Native("urlparse", lambda args, kwargs: taken_apart(urlparse, args)),
    }

"""A machine that is kept between evaluations, and the folders that a file's imports are looked for in."""

from __future__ import annotations

import os
import sysconfig
import threading
from collections.abc import Sequence
from pathlib import Path

from bitlens.source.evaluate.heap import HEAP
from bitlens.source.evaluate.limits import Limits
from bitlens.source.evaluate.machine import Machine
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.plumbing import install_plumbing
from bitlens.source.evaluate.pretrained import install_pretrained
from bitlens.source.evaluate.quantizers import install_quantizers
from bitlens.source.evaluate.stdlib import install_stdlib
from bitlens.source.evaluate.torch_core import install_torch
from bitlens.source.local_files import is_installed
from bitlens.source.statements import parse
from bitlens.source.store import LoweredStore

LIBRARIES = 30_000_000
"""Characters of libraries' statements that stay evaluated, at about 15 bytes each."""
_PROJECT = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")
_PAPERS = ("README*", "LICENSE*", "requirements*.txt", "environment*.y*ml")
_HIGHEST = 6
"""Folders above a file that may still be its project's."""


class World:
    """A machine with its search paths; libraries stay evaluated from one call to the next, the user's files
    do not. Beyond LIBRARIES it begins anew: libraries refer to each other, so none can go alone."""

    def __init__(self, search_paths: Sequence[Path], store: LoweredStore | None = None) -> None:
        self.libraries = [path.resolve() for path in search_paths]
        self.store = store
        self.machine = self._begun()
        self.lock = threading.Lock()
        self.laid_over: set[str] = set()
        """Files of which another text than the one on disk was evaluated last."""
        self.stays = False
        """Whether the file that is evaluated belongs to a library."""
        self.before = 0
        """Characters of libraries that were evaluated before it."""

    def _begun(self) -> Machine:
        machine = Machine(Limits())
        install_torch(machine)
        install_stdlib(machine)
        install_plumbing(machine)
        install_quantizers(machine)
        install_pretrained(machine)
        machine.imports.libraries = tuple(str(path) + os.sep for path in self.libraries)
        machine.imports.store = self.store
        return machine

    def _begin_anew(self) -> None:
        self.machine.imports.save()
        self.machine = self._begun()
        self.laid_over.clear()
        HEAP.collect()

    def prepare(self, file: Path, limits: Limits, text: str | None = None) -> Namespace:
        """The module of `file` (as `text`, if given), with everything that is not a library forgotten."""
        whole = self.machine.undoing.take_back()
        if not whole or self.machine.imports.evaluated > LIBRARIES or self.machine.imports.halted:
            self._begin_anew()
        self.before = self.machine.imports.evaluated
        self.machine.reset(limits)
        self.machine.default_dtype = self.machine.dtypes["float32"]
        self.machine.inside_torch = 0
        self.machine.repetition.reset()
        imports = self.machine.imports
        folder, name = package_of(file)
        own = [folder, *(path for path in (folder / "src",) if path.is_dir()), *above(folder)]
        self.stays = any(folder == path for path in self.libraries)
        before, imports.own = imports.paths, [] if self.stays else own
        imports.paths = [*imports.own, *self.libraries]
        for known, module in list(imports.modules.items()):
            if not isinstance(module, Namespace):
                del imports.modules[known]
            elif module.file is None:
                if module.is_package:
                    del imports.modules[known]
            elif not self._installed(known, module.file):
                del imports.modules[known]
                if not imports.in_library(module.file):
                    imports.sources.pop(module.file, None)
        imports.readings.begin()
        self._lay_over(str(file), text)
        if imports.own or imports.paths != before:
            imports.found = {
                key: place
                for key, place in imports.found.items()
                if place and self._installed(key, str(place[0]))
            }
        found: Namespace | None = imports.module(name)
        if found is None or found.file != str(file):
            found = Namespace(name, str(file))
            imports.modules[name] = found
        return found

    def settle(self) -> None:
        """To be called after an evaluation during which the garbage collector rested."""
        HEAP.settle(self.machine.imports.evaluated - self.before, self.stays)

    def _installed(self, name: str, file: str) -> bool:
        """Whether every program finds this file under this name: not one that was found beside another
        program, even if that stands inside a package."""
        top = name.partition(".")[0]
        places = [os.path.join(folder, top) for folder in self.libraries]
        return any(file in (place, f"{place}.py") or file.startswith(place + os.sep) for place in places)

    def _lay_over(self, file: str, text: str | None) -> None:
        """Let `text` stand for the file on disk, until another text or a call without one."""
        imports = self.machine.imports
        known = imports.sources.get(file)
        if (text is None and file not in self.laid_over) or (known is not None and known.text == text):
            return
        self.laid_over.discard(file)
        imports.sources.pop(file, None)
        for name in [name for name, module in imports.modules.items() if module.file == file]:
            del imports.modules[name]
        if text is not None:
            self.laid_over.add(file)
            draft = not is_installed(Path(file))
            imports.sources[file] = imports.readings.source(
                file, text, draft, lambda: parse(text, imports.store, draft=draft)
            )


_WORLDS: dict[tuple[str, ...], World] = {}


def world_for(search_paths: Sequence[Path], store: LoweredStore | None = None) -> World:
    """The world of these search paths; without any, of the running interpreter's site-packages."""
    paths = list(search_paths) or [Path(sysconfig.get_paths()["purelib"])]
    key = tuple(str(path) for path in paths)
    if key not in _WORLDS:
        if len(_WORLDS) >= 4:
            _WORLDS.pop(next(iter(_WORLDS)))
        _WORLDS[key] = World(paths, store)
    return _WORLDS[key]


def package_of(file: Path) -> tuple[Path, str]:
    """The folder from which a file is imported, and its module name there."""
    parts = [] if file.name == "__init__.py" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def above(folder: Path) -> list[Path]:
    """Folders above this one, up to the project's, from which its files may be imported as well.

    A project's folder has a repository or a packaging file in it; where there is none, the highest one with
    a readme, a licence or requirements.
    """
    higher = list(folder.parents)[:_HIGHEST]
    for count, candidate in enumerate((folder, *higher)):
        if any((candidate / name).exists() for name in _PROJECT):
            return higher[:count]
    papers = [i + 1 for i, path in enumerate(higher) if any(any(path.glob(name)) for name in _PAPERS)]
    return higher[: max(papers, default=0)]

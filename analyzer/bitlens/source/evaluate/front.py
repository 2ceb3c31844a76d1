"""The front door: `evaluate` a root of a file, and the `roots` that a file has."""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bitlens.problems import BitlensError, Problem
from bitlens.source.data_files import read_data
from bitlens.source.evaluate.compile_statements import Statements
from bitlens.source.evaluate.construction import Construction, records
from bitlens.source.evaluate.limits import Limits, describe
from bitlens.source.evaluate.machine import Machine
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.plumbing import install_plumbing
from bitlens.source.evaluate.pretrained import install_pretrained
from bitlens.source.evaluate.quantizers import install_quantizers
from bitlens.source.evaluate.roots import build, find_roots, written_call
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.stdlib import install_stdlib
from bitlens.source.evaluate.torch_core import install_torch
from bitlens.source.evaluate.values import (
    MISSING,
    ClassValue,
    LimitReached,
    ModuleInstance,
    PyRaise,
    Unknown,
)
from bitlens.source.statements import parse
from bitlens.source.store import LoweredStore

Result = TypeVar("Result")
Config = dict[str, Any] | str | None
"""The content of a configuration file, or an expression in the file's names."""
STACK = 512 * 2**20
"""Bytes of stack (reserved, not used) for the thread that evaluates: calls inside calls are deep there."""
RECURSION = 60_000
LIBRARIES = 5_000_000
"""Characters of libraries' statements that stay evaluated, at about 60 bytes each."""


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
        gc.collect()

    def prepare(self, file: Path, limits: Limits, text: str | None = None) -> Namespace:
        """The module of `file` (as `text`, if given), with everything that is not a library forgotten."""
        if self.machine.imports.evaluated > LIBRARIES:
            self._begin_anew()
        self.machine.reset(limits)
        self.machine.default_dtype = self.machine.dtypes["float32"]
        self.machine.inside_torch = 0
        self.machine.repetition.reset()
        imports = self.machine.imports
        folder, name = package_of(file)
        own = [folder, *(path for path in (folder / "src",) if path.is_dir()), *above(folder)]
        library = any(folder == path for path in self.libraries)
        before, imports.own = imports.paths, [] if library else own
        imports.paths = [*imports.own, *self.libraries]
        for known, module in list(imports.modules.items()):
            if module.file is not None and not imports.in_library(module.file):
                del imports.modules[known]
                imports.sources.pop(module.file, None)
        self._lay_over(str(file), text)
        if imports.own or imports.paths != before:
            imports.found = {
                key: place
                for key, place in imports.found.items()
                if place and imports.in_library(str(place[0]))
            }
        found: Namespace | None = imports.module(name)
        if found is None or found.file != str(file):
            found = Namespace(name, str(file))
            imports.modules[name] = found
        return found

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
            imports.sources[file] = parse(text, imports.store)


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


_PROJECT = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")
_PAPERS = ("README*", "LICENSE*", "requirements*.txt", "environment*.y*ml")
_HIGHEST = 6
"""Folders above a file that may still be its project's."""


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


def evaluate(
    file: Path,
    root: str | None = None,
    *,
    config: Path | dict[str, Any] | str | None = None,
    search_paths: Sequence[Path] = (),
    limits: Limits | None = None,
    store: LoweredStore | None = None,
    text: str | None = None,
) -> Construction:
    """The model that `root` builds, found by evaluating the source in the abstract; nothing is run or
    imported.

    `root` is a variable, class, function or expression in the file's names; without it the file's first root.
    `config` gives a class that takes a configuration another one than its default: a JSON or YAML file, its
    content, or an expression in the file's names.
    `search_paths` are folders of installed packages; `text` stands for what `file` holds on disk. Raises
    BitlensError if the file cannot be read; everything else
    that goes wrong is in `problems`.
    """
    file = Path(os.path.abspath(file))
    world = world_for(search_paths, store)
    values = _read_config(config)
    with world.lock:
        return _deep(lambda: _evaluate(world, file, root, values, limits or Limits(), text))


def roots(
    file: Path,
    *,
    search_paths: Sequence[Path] = (),
    store: LoweredStore | None = None,
    text: str | None = None,
) -> tuple[str, ...]:
    """What the file builds: its variables that hold models, else the module classes that nothing else in it
    builds.

    `text` stands for what `file` holds on disk. Raises BitlensError if the file cannot be read.
    """
    file = Path(os.path.abspath(file))
    world = world_for(search_paths, store)
    with world.lock:
        return _deep(lambda: _roots(world, file, text))


def keep(search_paths: Sequence[Path] = ()) -> None:
    """Write what was lowered for these search paths to the store of their world, for the next process."""
    world = world_for(search_paths)
    with world.lock:
        world.machine.imports.save()


def _roots(world: World, file: Path, text: str | None) -> tuple[str, ...]:
    module = world.prepare(file, Limits(), text)
    source = world.machine.imports.source(file)
    try:
        world.machine.imports.ensure(module)
        return find_roots(world.machine, module, source)
    except LimitReached:
        return ()


def written(
    file: Path,
    root: str,
    *,
    config: Path | dict[str, Any] | str | None = None,
    search_paths: Sequence[Path] = (),
    store: LoweredStore | None = None,
    text: str | None = None,
) -> str | None:
    """The Python expression that builds `root` as `evaluate` does; None where it is no class or function, or
    an argument is made up.

    Raises BitlensError if the file cannot be read.
    """
    file = Path(os.path.abspath(file))
    world = world_for(search_paths, store)
    values = _read_config(config)
    with world.lock:
        return _deep(lambda: _written(world, file, root, values, text))


def _written(world: World, file: Path, root: str, config: Config, text: str | None) -> str | None:
    module = world.prepare(file, Limits(), text)
    machine = world.machine
    try:
        machine.imports.ensure(module)
        value = machine.imports.get(module, root)
        content = _expression(machine, module, config) if isinstance(config, str) else None
        if isinstance(content, dict):
            config = content
        return None if value is MISSING else written_call(machine, module, root, value, config)
    except (LimitReached, PyRaise, RecursionError):
        return None
    finally:
        machine.unwind(0)


def _read_config(config: Path | dict[str, Any] | str | None) -> Config:
    return read_data(config) if isinstance(config, Path) else config


def _deep(work: Callable[[], Result]) -> Result:
    """Run `work` in a thread whose stack is large enough for the depth limit, and give back what it gives."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((True, work()))
        except BaseException as error:
            outcome.append((False, error))

    before, recursion, collecting = threading.stack_size(STACK), sys.getrecursionlimit(), gc.isenabled()
    # Nearly nothing made here is garbage before the end, and looking for it takes a third of the time.
    gc.disable()
    sys.setrecursionlimit(max(recursion, RECURSION))
    try:
        thread = threading.Thread(target=run, name="bitlens-evaluate", daemon=True)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(recursion)
        if collecting:
            gc.enable()
    done, value = outcome[0]
    if not done:
        raise value
    result: Result = value
    return result


def _evaluate(
    world: World,
    file: Path,
    root: str | None,
    config: Config,
    limits: Limits,
    text: str | None,
) -> Construction:
    module = world.prepare(file, limits, text)
    machine = world.machine
    machine.imports.source(file)
    stopped = None
    built: Any = None
    started: list[ModuleInstance] = []
    try:
        machine.imports.ensure(module)
        if root is None:
            found = find_roots(machine, module, machine.imports.source(file))
            if not found:
                problem = Problem(
                    "no-model", "nothing in this file builds a model; name one with --model", str(file)
                )
                return Construction("", "", str(file), None, problems=(problem,))
            root = found[0]
        built = _value_of(machine, module, root, config, started)
    except LimitReached as limit:
        stopped = str(limit)
        machine.report("limit-reached", f"evaluation ended at a limit: {limit}", str(file), None)
    except (RecursionError, MemoryError) as error:
        stopped = type(error).__name__
        machine.report("limit-reached", f"evaluation ended: {stopped}", str(file), None)
    except Exception as error:
        frame = machine.frames[-1] if machine.frames else None
        place = (frame.module.file, frame.line) if frame is not None else (str(file), None)
        machine.report("not-evaluated", f"evaluation ended: {describe(error)}", *place)
    finally:
        machine.unwind(0)
        machine.tries = machine.uncertain = machine.repeating = 0
    return _construction(
        machine, file, root or "", built if isinstance(built, ModuleInstance) else None, started, stopped
    )


def _construction(
    machine: Machine,
    file: Path,
    root: str,
    built: ModuleInstance | None,
    started: list[ModuleInstance],
    stopped: str | None,
) -> Construction:
    model = built or (started[0] if started else None)
    if model is None:
        problem = Problem("no-model", f"{root!r} gives no model that the source alone tells", str(file))
        return Construction(root, "", str(file), None, problems=(*machine.problems, problem), limit=stopped)
    modules, lines = records(model)
    line = model.cls.line if model.cls.module is not None and model.cls.module.file == str(file) else None
    return Construction(
        root,
        model.cls.name,
        str(file),
        line,
        modules,
        lines,
        tuple(machine.problems),
        stopped,
        machine.loaded_from,
    )


def _value_of(
    machine: Machine,
    module: Namespace,
    root: str,
    config: Config,
    started: list[ModuleInstance],
) -> Any:
    if root.isidentifier():
        value = machine.imports.get(module, root)
        if value is MISSING:
            raise BitlensError(Problem("no-model", f"there is no {root!r} in the file", module.file))
    else:
        value = _expression(machine, module, root)
    if isinstance(value, ModuleInstance | Unknown):
        return value
    if isinstance(value, ClassValue) and not value.is_module:
        return None
    given = _expression(machine, module, config) if isinstance(config, str) else config
    return build(machine, value, given, started)


def _expression(machine: Machine, module: Namespace, text: str) -> Any:
    statement = parse(text.strip()).statements[:1]
    node = statement[0].node if statement else None
    value = getattr(node, "value", None)
    if value is None:
        raise BitlensError(Problem("no-model", f"{text!r} is no expression", module.file))
    compiler = Statements(machine, 0)
    frame = Frame(module.vars, module)
    machine.enter(frame)
    return compiler.expression(value)(frame)


__all__ = ["Construction", "World", "evaluate", "package_of", "roots", "world_for", "written"]

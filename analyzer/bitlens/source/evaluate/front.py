"""The front door: `evaluate` a root of a file, and the `roots` that a file has."""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bitlens.problems import BitlensError, Problem
from bitlens.source.data_files import read_data
from bitlens.source.evaluate.compile_statements import Statements
from bitlens.source.evaluate.construction import Construction, records
from bitlens.source.evaluate.heap import HEAP
from bitlens.source.evaluate.limits import Limits, describe
from bitlens.source.evaluate.machine import Machine
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.roots import Roots, build, find_roots, written_call
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import MISSING, ClassValue, LimitReached, ModuleInstance, PyRaise, Unknown
from bitlens.source.evaluate.world import World, world_for
from bitlens.source.statements import parse
from bitlens.source.store import LoweredStore

Result = TypeVar("Result")
Config = dict[str, Any] | str | None
"""The content of a configuration file, or an expression in the file's names."""
STACK = 512 * 2**20
"""Bytes of stack (reserved, not used) for the thread that evaluates: calls inside calls are deep there."""
RECURSION = 60_000


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
        return _deep(world, lambda: _evaluate(world, file, root, values, limits or Limits(), text))


def roots(
    file: Path,
    *,
    search_paths: Sequence[Path] = (),
    store: LoweredStore | None = None,
    text: str | None = None,
) -> Roots:
    """What the file offers to be looked at as a model: variables, classes, functions.

    `text` stands for what `file` holds on disk. Raises BitlensError if the file cannot be read.
    """
    file = Path(os.path.abspath(file))
    world = world_for(search_paths, store)
    with world.lock:
        return _deep(world, lambda: _roots(world, file, text))


def keep(search_paths: Sequence[Path] = ()) -> None:
    """Write what was lowered for these search paths to the store of their world, for the next process."""
    world = world_for(search_paths)
    with world.lock:
        world.machine.imports.save()


def _roots(world: World, file: Path, text: str | None) -> Roots:
    module = world.prepare(file, Limits(), text)
    source = world.machine.imports.source(file)
    try:
        world.machine.imports.ensure(module)
        return find_roots(world.machine, module, source)
    except LimitReached:
        return Roots()


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
        return _deep(world, lambda: _written(world, file, root, values, text))


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


def _deep(world: World, work: Callable[[], Result]) -> Result:
    """Run `work` in a thread whose stack is large enough for the depth limit, and give back what it gives."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((True, work()))
        except BaseException as error:
            outcome.append((False, error))

    before, recursion, resting = threading.stack_size(STACK), sys.getrecursionlimit(), HEAP.rest()
    sys.setrecursionlimit(max(recursion, RECURSION))
    try:
        thread = threading.Thread(target=run, name="bitlens-evaluate", daemon=True)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(recursion)
        if resting:
            world.settle()
    done, value = outcome[0]
    if not done:
        # A mistake of ours may have left anything behind.
        world.machine.imports.halted |= not isinstance(value, BitlensError)
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
            found = find_roots(machine, module, machine.imports.source(file)).chosen
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
    except BitlensError as error:
        return Construction(root or "", "", str(file), None, problems=(*machine.problems, error.problem))
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
            message = f"the file gives {root!r} no value, or only where it is not known to run"
            raise BitlensError(Problem("no-model", message, module.file))
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
    # What the expression itself creates stands on no line of the file.
    nowhere = copy.copy(module)
    nowhere.plumbing = True
    frame = Frame(module.vars, nowhere)
    machine.enter(frame)
    return compiler.expression(value)(frame)


__all__ = ["Construction", "Roots", "evaluate", "roots", "written"]

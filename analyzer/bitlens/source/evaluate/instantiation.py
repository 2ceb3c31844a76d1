"""`hydra.utils`: objects made as a configuration says, each from its `_target_`."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native, Partial
from bitlens.source.evaluate.documents import resolved
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import UNKNOWN, Instance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_SPECIAL = frozenset(("_target_", "_args_", "_partial_", "_recursive_", "_convert_"))
_CALL = re.compile(r"_target_\(\*args, \*\*kwargs\)")


def hydra_functions(machine: Machine) -> dict[str, Any]:
    """The functions by name."""
    instantiate = Native("instantiate", lambda args, kwargs: _instantiate(machine, args, kwargs))
    table: dict[str, Any] = dict.fromkeys(("instantiate", "call"), instantiate)
    for name in ("get_class", "get_method", "get_object", "get_static_method"):
        table[name] = Native(name, lambda args, kwargs: _locate(machine, args[0] if args else UNKNOWN))
    table["to_absolute_path"] = Native("to_absolute_path", lambda args, kwargs: args[0])
    return table


def _instantiate(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    config = machine.host_value(resolved(machine, args[0] if args else kwargs.pop("config", UNKNOWN)))
    if isinstance(config, dict):
        config = _merged(machine, config, kwargs)
        config = {**config, "_args_": args[1:]} if len(args) > 1 else config
    elif not isinstance(config, list):
        return None if config is None else UNKNOWN
    return _made(machine, config, True)


def _merged(machine: Machine, config: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    result = dict(config)
    for name, value in other.items():
        old, new = machine.host_value(result.get(name)), machine.host_value(value)
        both = isinstance(old, dict) and isinstance(new, dict)
        result[name] = _merged(machine, old, new) if both else value
    return result


def _made(machine: Machine, value: Any, recursive: bool) -> Any:
    """What a part of a configuration stands for."""
    content = machine.host_value(value)
    if isinstance(content, list | tuple):
        return [_made(machine, item, recursive) for item in content]
    if not isinstance(content, dict):
        return value
    recursive = content.get("_recursive_", recursive) is not False
    given = {name: item for name, item in content.items() if name not in _SPECIAL}
    if recursive:
        given = {name: _made(machine, item, recursive) for name, item in given.items()}
    if "_target_" not in content:
        return _like(machine, value, given)
    positional = machine.host_value(content.get("_args_", []))
    positional = [_made(machine, item, recursive) for item in machine.iterate(positional)]
    target = _locate(machine, content["_target_"])
    if content.get("_partial_", False) is True:
        return Partial(target, positional, given)
    return _called(machine, target, positional, given)


def _like(machine: Machine, value: Any, given: dict[Any, Any]) -> Any:
    """The same kind of mapping with other values."""
    if not isinstance(value, Instance):
        return given
    made = Instance(value.cls)
    made.host = given
    return made


def _locate(machine: Machine, target: Any) -> Any:
    """What a dotted path names."""
    if not isinstance(target, str) or not target:
        return target
    first, *rest = target.split(".")
    found = machine.imports.module_value(first, machine.frames[-1].module, True)
    for name in rest:
        found = machine.getattr(found, name)
    return found


def _called(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call it where hydra does: that line is what creates the object."""
    if isinstance(target, Unknown):
        return UNKNOWN
    place = machine.imports.locate("hydra._internal.instantiate._instantiate2")
    frame = Frame({}, Namespace("hydra", None if place is None else str(place[0])))
    frame.line = 0 if place is None else _line(place[0])
    machine.enter(frame)
    try:
        return machine.call(target, args, kwargs)
    finally:
        machine.leave()


@functools.lru_cache(16)
def _line(file: Path) -> int:
    """The line of hydra's own text that calls a target."""
    lines = file.read_text("utf-8", "replace").splitlines()
    return next((number for number, line in enumerate(lines, 1) if _CALL.search(line)), 0)

"""Configurations in files: JSON, YAML and TOML as Python's values, and OmegaConf's objects around them."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.data_files import parse_json, parse_yaml
from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.text_files import read_from
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance, Unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Parser = Callable[[str], Any]
PARENT = "_parent"
_REFERENCE = re.compile(r"\$\{([\w./-]+)\}")
MAXIMUM_REFERENCES = 16
"""References that lead to references."""
MAXIMUM_LITERAL = 10_000
"""Characters of a literal that is evaluated."""


def _parsed(parse: Parser, text: Any) -> Any:
    if not isinstance(text, str):
        return UNKNOWN
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return Unknown("text that is not well formed")


def loaders(machine: Machine, parse: Parser, names: tuple[str, ...]) -> dict[str, Any]:
    """Functions that parse an open file or a string."""

    def load(args: list[Any], kwargs: dict[str, Any]) -> Any:
        source = args[0] if args else next(iter(kwargs.values()), UNKNOWN)
        return _parsed(parse, read_from(machine, source))

    return {name: Native(name, load) for name in names}


def json_functions(machine: Machine) -> dict[str, Any]:
    """`json`."""

    def dumps(args: list[Any], kwargs: dict[str, Any]) -> Any:
        try:
            return json.dumps(args[0], sort_keys=kwargs.get("sort_keys") is True)
        except (TypeError, ValueError):
            return Unknown("text")

    return {**loaders(machine, parse_json, ("load", "loads")), "dumps": Native("dumps", dumps)}


def syntax_functions(machine: Machine) -> dict[str, Any]:
    """`ast.literal_eval`."""

    def literal(args: list[Any], kwargs: dict[str, Any]) -> Any:
        text = machine.host_value(args[0])
        if not isinstance(text, str) or len(text) > MAXIMUM_LITERAL:
            return UNKNOWN
        try:
            return ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            kind = "SyntaxError" if isinstance(error, SyntaxError) else "ValueError"
            raise machine.error(kind, "malformed literal") from error

    return {"literal_eval": Native("literal_eval", literal)}


def yaml_functions(machine: Machine) -> dict[str, Any]:
    """`yaml`, as far as plain values go."""
    return loaders(machine, parse_yaml, ("load", "safe_load", "full_load", "unsafe_load"))


def toml_functions(machine: Machine) -> dict[str, Any]:
    """`tomllib`, `tomli` and `toml`."""
    return loaders(machine, tomllib.loads, ("load", "loads"))


def _parse_configuration(text: str) -> Any:
    return parse_yaml(text, scientific=True)


def omegaconf(machine: Machine) -> dict[str, Any]:
    """`OmegaConf`: nested dicts whose keys are attributes as well."""
    config = ClassValue("DictConfig", [dict], {})
    listed = ClassValue("ListConfig", [list], {})

    def wrap(value: Any, parent: Any = None) -> Any:
        if not isinstance(value, dict | list | tuple):
            return value
        made = Instance(config if isinstance(value, dict) else listed)
        made.attrs[PARENT] = parent
        if isinstance(value, dict):
            made.host = {key: wrap(item, made) for key, item in value.items()}
        else:
            made.host = [wrap(item, made) for item in value]
        return made

    def plain(value: Any) -> Any:
        value = machine.host_value(value)
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    def attribute(args: list[Any], kwargs: dict[str, Any]) -> Any:
        target, name = args
        value = target.host.get(name, MISSING)
        if value is not MISSING:
            return interpolated(machine, target, value)
        if isinstance(name, str) and name.startswith("__"):
            raise machine.error("AttributeError", name)
        return None

    def assign(args: list[Any], kwargs: dict[str, Any]) -> None:
        machine.setitem(args[0].host, args[1], wrap(args[2], args[0]))

    def create(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = machine.host_value(args[0]) if args else {}
        value = _parsed(_parse_configuration, value) if isinstance(value, str) else value
        return value if isinstance(value, Unknown | Instance) else wrap(plain(value))

    def load(args: list[Any], kwargs: dict[str, Any]) -> Any:
        text = read_from(machine, args[0]) if isinstance(args[0], Instance) else UNKNOWN
        text = machine.files.text(args[0]) if isinstance(text, Unknown) else text
        return wrap(_parsed(_parse_configuration, text))

    def merge(args: list[Any], kwargs: dict[str, Any]) -> Any:
        total: dict[Any, Any] = {}
        for part in map(plain, args):
            if not isinstance(part, dict):
                return UNKNOWN
            _merge(total, part)
        return wrap(total)

    def item(args: list[Any], kwargs: dict[str, Any]) -> Any:
        host = args[0].host
        if isinstance(args[1], Unknown):
            return UNKNOWN
        return interpolated(machine, args[0], host[machine.host_value(args[1])])

    def container(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return plain(resolved(machine, args[0]) if kwargs.get("resolve") is True else args[0])

    config.ns["__getitem__"] = Native("__getitem__", item, method=True)
    config.ns["__getattr__"] = Native("__getattr__", attribute, method=True)
    config.ns["__setattr__"] = Native("__setattr__", assign, method=True)
    top = ClassValue("OmegaConf", [], {})
    table: dict[str, Callable[..., Any]] = {"create": create, "load": load, "merge": merge}
    table["to_container"] = container
    table["to_object"] = lambda args, kwargs: plain(resolved(machine, args[0]))
    for name in ("set_struct", "set_readonly", "resolve", "register_new_resolver"):
        table[name] = lambda args, kwargs: None
    table["is_config"] = lambda args, kwargs: (
        isinstance(args[0], Instance) and args[0].cls in (config, listed)
    )
    top.ns.update({name: Native(name, function) for name, function in table.items()})
    return {"OmegaConf": top, "DictConfig": config, "ListConfig": listed}


def resolved(machine: Machine, value: Any) -> Any:
    """A configuration with the values that its references mean."""
    if not isinstance(value, Instance) or PARENT not in value.attrs:
        return value
    made = Instance(value.cls)
    made.attrs.update(value.attrs)
    items = value.host.items() if isinstance(value.host, dict) else enumerate(value.host)
    parts = {name: resolved(machine, interpolated(machine, value, item)) for name, item in items}
    made.host = parts if isinstance(value.host, dict) else list(parts.values())
    return made


def interpolated(machine: Machine, owner: Instance, value: Any, depth: int = 0) -> Any:
    """A value of a configuration, `${a.b}` in it replaced by what that names from the top."""
    if not isinstance(value, str) or "${" not in value:
        return value
    top = owner
    while isinstance(top.attrs.get(PARENT), Instance):
        top = top.attrs[PARENT]
    whole = _REFERENCE.fullmatch(value)
    if depth > MAXIMUM_REFERENCES:
        return UNKNOWN
    if whole is not None:
        return _selected(machine, top, whole[1], depth)
    parts = {name: _selected(machine, top, name, depth) for name in _REFERENCE.findall(value)}
    text = _REFERENCE.sub(lambda found: str(parts[found[1]]), value)
    return UNKNOWN if "${" in text or any(isinstance(part, Unknown) for part in parts.values()) else text


def _selected(machine: Machine, top: Instance, name: str, depth: int) -> Any:
    found, owner = top, top
    for part in name.split("."):
        host = machine.host_value(found)
        key: Any = int(part) if isinstance(host, list) and part.isdecimal() else part
        if not isinstance(host, dict | list) or (
            key not in host if isinstance(host, dict) else key >= len(host)
        ):
            return UNKNOWN
        owner, found = found, host[key]
    return interpolated(machine, owner, found, depth + 1)


def _merge(into: dict[Any, Any], other: dict[Any, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value

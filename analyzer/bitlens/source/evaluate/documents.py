"""Configurations in files: JSON, YAML and TOML as Python's values, and OmegaConf's objects around them."""

from __future__ import annotations

import ast
import json
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


def omegaconf(machine: Machine) -> dict[str, Any]:
    """`OmegaConf`: nested dicts whose keys are attributes as well."""
    config = ClassValue("DictConfig", [dict], {})
    listed = ClassValue("ListConfig", [list], {})

    def wrap(value: Any) -> Any:
        if isinstance(value, dict):
            made = Instance(config)
            made.host = {key: wrap(item) for key, item in value.items()}
            return made
        if isinstance(value, list | tuple):
            made = Instance(listed)
            made.host = [wrap(item) for item in value]
            return made
        return value

    def plain(value: Any) -> Any:
        value = machine.host_value(value)
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    def attribute(args: list[Any], kwargs: dict[str, Any]) -> Any:
        target, name = args
        value = target.host.get(name, MISSING)
        if value is not MISSING:
            return value
        if isinstance(name, str) and name.startswith("__"):
            raise machine.error("AttributeError", name)
        return None

    def assign(args: list[Any], kwargs: dict[str, Any]) -> None:
        machine.setitem(args[0].host, args[1], wrap(args[2]))

    def create(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = machine.host_value(args[0]) if args else {}
        value = _parsed(parse_yaml, value) if isinstance(value, str) else value
        return value if isinstance(value, Unknown | Instance) else wrap(plain(value))

    def load(args: list[Any], kwargs: dict[str, Any]) -> Any:
        text = read_from(machine, args[0]) if isinstance(args[0], Instance) else UNKNOWN
        text = machine.files.text(args[0]) if isinstance(text, Unknown) else text
        return wrap(_parsed(parse_yaml, text))

    def merge(args: list[Any], kwargs: dict[str, Any]) -> Any:
        total: dict[Any, Any] = {}
        for part in map(plain, args):
            if not isinstance(part, dict):
                return UNKNOWN
            _merge(total, part)
        return wrap(total)

    config.ns["__getattr__"] = Native("__getattr__", attribute, method=True)
    config.ns["__setattr__"] = Native("__setattr__", assign, method=True)
    top = ClassValue("OmegaConf", [], {})
    table: dict[str, Callable[..., Any]] = {"create": create, "load": load, "merge": merge}
    table["to_container"] = lambda args, kwargs: plain(args[0])
    table["to_object"] = table["to_container"]
    for name in ("set_struct", "set_readonly", "resolve", "register_new_resolver"):
        table[name] = lambda args, kwargs: None
    table["is_config"] = lambda args, kwargs: (
        isinstance(args[0], Instance) and args[0].cls in (config, listed)
    )
    top.ns.update({name: Native(name, function) for name, function in table.items()})
    return {"OmegaConf": top, "DictConfig": config, "ListConfig": listed}


def _merge(into: dict[Any, Any], other: dict[Any, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value

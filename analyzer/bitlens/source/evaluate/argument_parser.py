"""`argparse` as far as defaults go: `parse_args()` gives every option its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Instance

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def parser_class(machine: Machine) -> ClassValue:
    """The class that stands for `ArgumentParser`."""
    cls = ClassValue("ArgumentParser", [], {})

    def init(args: list[Any], kwargs: dict[str, Any]) -> None:
        args[0].attrs["\0options"] = {}

    def add_argument(args: list[Any], kwargs: dict[str, Any]) -> Any:
        names = [name for name in args[1:] if isinstance(name, str)]
        if names:
            args[0].attrs["\0options"][_destination(names, kwargs)] = _default(machine, names, kwargs)
        return UNKNOWN

    def set_defaults(args: list[Any], kwargs: dict[str, Any]) -> None:
        args[0].attrs["\0options"].update(kwargs)

    def parse(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = Instance(ClassValue("Namespace", [], {}))
        made.attrs.update(args[0].attrs["\0options"])
        return made

    def parse_known(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return parse(args, kwargs), []

    table = {
        "__init__": init,
        "add_argument": add_argument,
        "set_defaults": set_defaults,
        "parse_args": parse,
    }
    table["parse_known_args"] = parse_known
    for name in ("add_argument_group", "add_mutually_exclusive_group"):
        table[name] = lambda args, kwargs: args[0]
    for name, function in table.items():
        cls.ns[name] = Native(name, function, method=True)
    return cls


def _destination(names: list[str], kwargs: dict[str, Any]) -> str:
    given = kwargs.get("dest")
    if isinstance(given, str):
        return given
    longest = next((name for name in names if name.startswith("--")), names[0])
    return longest.lstrip("-").replace("-", "_")


def _default(machine: Machine, names: list[str], kwargs: dict[str, Any]) -> Any:
    action = kwargs.get("action")
    if "default" not in kwargs:
        if action in ("store_true", "store_false"):
            return action == "store_false"
        return None if names[0].startswith("-") else UNKNOWN
    default, kind = kwargs["default"], kwargs.get("type")
    if isinstance(default, str) and kind in (int, float):
        return machine.call(kind, [default], {})
    return default

"""`re` for the evaluated program: Python's own engine, for patterns that cannot take exponential time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Instance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

MAXIMUM_TEXT = 20_000
_NESTED = re.compile(r"[*+}][^()]*\)[*+{]|\)[*+{][^)]*\)[*+{]|\\\d")


def compiled(pattern: Any, flags: int = 0) -> re.Pattern[str] | None:
    """A pattern, None if it is broken or could take exponential time (a repeat inside a repeat, a back
    reference)."""
    if not isinstance(pattern, str) or len(pattern) > 2000 or _NESTED.search(pattern):
        return None
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError):
        return None


def regular_expressions(machine: Machine) -> dict[str, Any]:
    """The members of `re`."""
    match_class = ClassValue("Match", [], {})
    for name in ("group", "groups", "groupdict", "start", "end", "span"):
        match_class.ns[name] = Native(name, _on_match(name), method=True)
    match_class.ns["__getitem__"] = Native("__getitem__", _on_match("group"), method=True)

    def wrap(value: Any) -> Any:
        if not isinstance(value, re.Match):
            return value
        made = Instance(match_class)
        made.attrs["\0match"] = value
        return made

    def run(name: str, pattern: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        pattern = pattern.attrs.get("\0pattern") if isinstance(pattern, Instance) else compiled(pattern)
        values = [machine.host_value(arg) for arg in args]
        if pattern is None or any(
            isinstance(value, Unknown) or not isinstance(value, str | int) for value in values
        ):
            return UNKNOWN
        if sum(len(value) for value in values if isinstance(value, str)) > MAXIMUM_TEXT:
            return UNKNOWN
        result = getattr(pattern, name)(*values)
        return [wrap(item) for item in result] if name == "finditer" else wrap(result)

    names = ("match", "search", "fullmatch", "split", "findall", "sub", "finditer")
    pattern_class = ClassValue("Pattern", [], {})
    for name in names:
        pattern_class.ns[name] = Native(name, _runner(run, name), method=True)

    def compile_(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = Instance(pattern_class)
        made.attrs["\0pattern"] = compiled(args[0])
        return made

    table: dict[str, Any] = {name: Native(name, _runner(run, name)) for name in names}
    table["escape"] = Native(
        "escape", lambda args, kwargs: re.escape(args[0]) if isinstance(args[0], str) else UNKNOWN
    )
    return {**table, "compile": Native("compile", compile_), "Pattern": pattern_class, "Match": match_class}


def _runner(run: Callable[..., Any], name: str) -> Callable[..., Any]:
    return lambda args, kwargs: run(name, args[0], args[1:], kwargs)


def _on_match(name: str) -> Any:
    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return getattr(args[0].attrs["\0match"], name)(*args[1:])

    return run

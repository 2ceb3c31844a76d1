"""Values as text: `str`, `repr`, `format` and f-strings."""

from __future__ import annotations

from typing import Any

from bitlens.source.evaluate.callables import Function
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.values import MISSING, ClassValue, DType, Instance, Tensor, Unknown

PLAIN = (str, int, float, bool, bytes, complex, type(None))
MAXIMUM_SHOWN = 100_000
"""Items of a list that is written out."""


def to_text(machine: Any, value: Any, quoted: bool = False) -> Any:
    """`str(value)` or, quoted, `repr(value)`; Unknown where it cannot be said."""
    if isinstance(value, Unknown):
        return Unknown("text")
    if isinstance(value, PLAIN):
        return repr(value) if quoted else str(value)
    if isinstance(value, Instance):
        return _instance_text(machine, value, quoted)
    if isinstance(value, list | tuple | set | frozenset | dict):
        return _collection_text(machine, value)
    if isinstance(value, ClassValue):
        return f"<class '{value.module.name + '.' if value.module else ''}{value.qualname}'>"
    if isinstance(value, DType | range | type):
        return repr(value)
    if isinstance(value, Function | Namespace):
        return repr(value)
    return Unknown("text")


def _instance_text(machine: Any, value: Instance, quoted: bool) -> Any:
    for name in ("__repr__", "__str__") if quoted else ("__str__", "__repr__"):
        found = value.cls.lookup(name)
        if found is not MISSING:
            return machine.host_value(machine.call(found, [value], {}))
    if "enum" in value.cls.traits and "name" in value.attrs:
        return f"{value.cls.name}.{value.attrs['name']}"
    if value.host is not None:
        return to_text(machine, value.host, quoted)
    if "args" in value.attrs and isinstance(value.attrs["args"], tuple):
        return ", ".join(str(argument) for argument in value.attrs["args"] if isinstance(argument, PLAIN))
    return f"<{value.cls.qualname} object>"


def _collection_text(machine: Any, value: Any) -> Any:
    if len(value) > MAXIMUM_SHOWN:
        return Unknown("text")
    items = list(value.items()) if isinstance(value, dict) else list(value)
    if isinstance(value, dict):
        parts = [(to_text(machine, k, True), to_text(machine, v, True)) for k, v in items]
        if any(isinstance(text, Unknown) for pair in parts for text in pair):
            return Unknown("text")
        return "{" + ", ".join(f"{k}: {v}" for k, v in parts) + "}"
    texts = [to_text(machine, item, True) for item in items]
    if any(isinstance(text, Unknown) for text in texts):
        return Unknown("text")
    brackets: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")")}
    opening, closing = brackets.get(type(value), ("{", "}"))
    machine.allocate(sum(map(len, texts)))
    return (
        opening + ", ".join(texts) + ("," if isinstance(value, tuple) and len(items) == 1 else "") + closing
    )


def _is_whole(value: Any) -> bool:
    """Whether every dtype of a tensor of one element, which is formatted as a number, shows the same."""
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) < 2**8)


def format_value(machine: Any, value: Any, conversion: int, spec: Any) -> Any:
    """What an f-string's field becomes."""
    if isinstance(value, Unknown) or isinstance(spec, Unknown):
        return Unknown("text")
    if isinstance(value, Tensor) and conversion < 0 and _is_whole(value.values):
        value = value.values
    if conversion in (114, 115, 97):
        value = to_text(machine, value, quoted=conversion != 115)
    plain = machine.host_value(value)
    if not spec:
        return to_text(machine, value)
    if not isinstance(plain, PLAIN):
        return Unknown("text")
    machine.check_format(":" + spec)
    return format(plain, spec)

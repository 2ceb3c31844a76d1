"""What a program changes in libraries is taken back before the next program is evaluated: libraries stay."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from bitlens.source.evaluate.values import MISSING, forget_lookups, next_number


class Undoing:
    """Keeps what libraries' lists, dicts, sets and attributes held before the program changed them.

    Whatever a library does while its own files are read belongs to it; what it does when it is called, as a
    registry that takes in a class of the program, belongs to the program.
    """

    def __init__(self) -> None:
        self.reading = False
        """Whether a library's file is read now, rather than something that the program calls."""
        self.began = 0
        """The number when this program began: everything older is a library's."""
        self.turns: list[int] = []
        """Numbers at which reading a library began and ended, in turn."""
        self.kept: dict[int, tuple[Any, Any]] = {}
        """Changed lists, dicts and sets, with a copy of what they held."""
        self.entries: dict[tuple[int, str], tuple[dict[str, Any], Any]] = {}
        """Changed attributes: the mapping that holds them and the value before, or MISSING."""
        self.mixed = False
        """Whether a library, while read, changed what the program had changed before."""

    def read(self, library: bool) -> bool:
        """Begin or go on reading a library's file (or something else); gives what was so before."""
        before = self.reading
        if library is not before:
            self.turns.append(next_number())
            self.reading = library
        return before

    def of_library(self, number: int) -> bool:
        """Whether the object of this number was made by a library while it was read."""
        return number <= self.began or bisect_right(self.turns, number) % 2 == 1

    def host(self, value: Any, number: int | None) -> None:
        """A list, dict or set is about to change; its number, if known."""
        if self.reading:
            self.mixed = self.mixed or id(value) in self.kept
        elif (number is None or self.of_library(number)) and id(value) not in self.kept:
            self.kept[id(value)] = value, _content(value)

    def attribute(self, holder: dict[str, Any], name: str) -> None:
        """An attribute that this mapping holds is about to change."""
        if not self.reading:
            self.entries.setdefault((id(holder), name), (holder, holder.get(name, MISSING)))

    def take_back(self) -> bool:
        """Undo everything, before another program; False where the libraries must be read anew instead."""
        for value, content in self.kept.values():
            _restore(value, content)
        for (_, name), (holder, value) in self.entries.items():
            if value is MISSING:
                holder.pop(name, None)
            else:
                holder[name] = value
        if self.entries:
            forget_lookups()
        mixed = self.mixed
        self.kept.clear()
        self.entries.clear()
        self.turns.clear()
        self.reading = self.mixed = False
        self.began = next_number()
        return not mixed


def _content(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else list(value)


def _restore(value: Any, content: Any) -> None:
    value.clear()
    if isinstance(value, list):
        value.extend(content)
    else:
        value.update(content)

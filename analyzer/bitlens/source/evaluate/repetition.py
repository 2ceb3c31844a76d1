"""Layers that a program builds many times are evaluated once or twice, and copied from then on.

`[Layer(config, i) for i in range(48)]`: the first is built as it stands. For the second, numbers among the
arguments that are others than the first's are replaced by a `Varying`, an unknown number. If that makes the
same layer without a test ever being undecided, no number changes what is built, and all further ones are
copies. A constructor that changes anything older than its own module is never copied, and what was built is
forgotten once it, or an object that it may have read, changes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, Function, Native, Partial
from bitlens.source.evaluate.copies import Copier, NotCopied, same
from bitlens.source.evaluate.values import (
    MISSING,
    ClassValue,
    Control,
    DType,
    Instance,
    ModuleInstance,
    Unknown,
    Varying,
    next_number,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_NOWHERE = sys.maxsize
_BY_IDENTITY = (Instance, ClassValue, Native, DType, Partial, type)
MAXIMUM_ITEMS = 64
"""Items of a list among the arguments of a layer that may be copied."""


@dataclass(slots=True)
class Built:
    """A module that stands for all that are built by the same class, arguments and line."""

    module: ModuleInstance
    numbers: tuple[int | float, ...]
    """The numbers among its constructor's arguments."""
    begun: int
    ended: int
    """All that was made for it is numbered between these."""
    kept: Any
    """The arguments, whose identity is part of the key."""
    varying: frozenset[int] = frozenset()
    """Which of the numbers change nothing."""
    particular: bool = False
    """Whether the numbers were found to change something."""


class Repetition:
    """Builds modules for a machine, by copying where it can."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.built: dict[Any, Built] = {}
        self.oldest = _NOWHERE
        """The lowest number of what was changed since the innermost constructor began."""
        self.latest = 0
        """The highest number that is part of something in `built`."""
        self.active: set[int] = set()
        """Modules whose constructor runs."""
        self.births: dict[int, tuple[int, Any]] = {}
        """Numbers of lists, dicts and sets, by identity."""
        self.plain: dict[ClassValue, bool] = {}

    def reset(self) -> None:
        """Forget everything, before another evaluation."""
        self.built.clear()
        self.births.clear()
        self.active.clear()
        self.plain.clear()
        self.oldest, self.latest = _NOWHERE, 0

    # What changes

    def born(self, value: Any) -> Any:
        """Note that a list, dict or set was made now."""
        births = self.births
        if len(births) > 20_000:
            births.clear()
        births[id(value)] = next_number(), value
        return value

    def changed_host(self, value: Any) -> None:
        """Note that a list, dict or set changes."""
        known = self.births.get(id(value))
        self.machine.undoing.host(value, None if known is None else known[0])
        if known is None:
            self.changed_anything()
        else:
            self.changed(known[0])

    def changed_anything(self) -> None:
        """Note a change of something whose age is not known."""
        self.oldest = 0
        self.forget()

    def forget(self) -> None:
        """Copy nothing that was built until now."""
        self.built.clear()
        self.latest = 0

    def changed(self, number: int) -> None:
        """Note that a module, tensor or list of this number changes."""
        if number < self.oldest:
            self.oldest = number
        if number <= self.latest and number not in self.active:
            gone = [key for key, built in self.built.items() if built.begun < number <= built.ended]
            for key in gone:
                del self.built[key]

    def changed_object(self, number: int) -> None:
        """Note that another object changes, which all that was built later may have read."""
        if number < self.oldest:
            self.oldest = number
        if number <= self.latest:
            self.built = {key: built for key, built in self.built.items() if built.ended < number}
            self.latest = max((built.ended for built in self.built.values()), default=0)

    # What is built

    def construct(self, cls: ClassValue, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """`cls(*args, **kwargs)` for a class of modules."""
        machine = self.machine
        if machine.uncertain or not self._is_plain(cls):
            return machine.classes.instantiate(cls, args, kwargs)
        machine.tick()
        numbers: list[int | float] = []
        key = self._key(cls, args, kwargs, numbers)
        if key is None:
            return self._build(cls, args, kwargs)
        built = self.built.get(key)
        if built is not None:
            copied = self._copy(built, key, cls, args, kwargs, numbers)
            if copied is not None:
                return copied
            return self._build(cls, args, kwargs)
        return self._first(key, cls, args, kwargs, numbers)

    def _is_plain(self, cls: ClassValue) -> bool:
        found = self.plain.get(cls)
        if found is None:
            init = cls.lookup("__init__")
            found = self.plain[cls] = (
                cls.metaclass is None
                and cls.lookup("__new__") is MISSING
                and type(init) is Function
                and init.frame_up is None
            )
        return found

    def _key(
        self, cls: ClassValue, args: list[Any], kwargs: dict[str, Any], numbers: list[int | float]
    ) -> tuple[Any, ...] | None:
        """What two constructions must share to make the same; None where that cannot be said."""
        machine = self.machine
        parts: list[Any] = [cls, machine.classes.site(), machine.default_dtype]
        parts.append((machine.tries > 0, machine.inside_torch > 0))
        try:
            parts += [_signature(value, numbers, 0) for value in args]
            parts += [(name, _signature(value, numbers, 0)) for name, value in kwargs.items()]
        except NotCopied:
            return None
        return tuple(parts)

    def _build(self, cls: ClassValue, args: list[Any], kwargs: dict[str, Any]) -> ModuleInstance:
        made: ModuleInstance = self.machine.classes.new_module(cls)
        self.active.add(made.number)
        try:
            self.machine.classes.initialize(made, args, kwargs)
        finally:
            self.active.discard(made.number)
        return made

    def _alone(
        self, cls: ClassValue, args: list[Any], kwargs: dict[str, Any]
    ) -> tuple[ModuleInstance, int, bool]:
        """A module, the number before it, and whether nothing older than it changed."""
        saved, dtype = self.oldest, self.machine.default_dtype
        self.oldest, begun = _NOWHERE, next_number()
        try:
            made = self._build(cls, args, kwargs)
            return made, begun, self.oldest > begun and self.machine.default_dtype is dtype
        finally:
            self.oldest = min(saved, self.oldest)

    def _first(
        self, key: Any, cls: ClassValue, args: list[Any], kwargs: dict[str, Any], numbers: list[int | float]
    ) -> ModuleInstance:
        made, begun, alone = self._alone(cls, args, kwargs)
        if alone:
            self._keep(key, Built(made, tuple(numbers), begun, next_number(), (args, kwargs)))
        return made

    def _keep(self, key: Any, built: Built) -> None:
        self.built[key] = built
        self.latest = built.ended

    def _copy(
        self,
        built: Built,
        key: Any,
        cls: ClassValue,
        args: list[Any],
        kwargs: dict[str, Any],
        numbers: list[int | float],
    ) -> ModuleInstance | None:
        differing = {i for i, (a, b) in enumerate(zip(numbers, built.numbers, strict=True)) if a != b}
        if not differing <= built.varying:
            if built.particular or built.varying:
                return None
            general = self._general(built, cls, args, kwargs, differing)
            if general is None:
                built.particular = True
                return None
            built = general
            self._keep(key, built)
        copier = Copier(built.begun, tuple(numbers))
        try:
            made = copier.module(built.module)
        except NotCopied:
            del self.built[key]
            return None
        for _ in range(copier.modules):
            self.machine.count_module()
        return made

    def _general(
        self, built: Built, cls: ClassValue, args: list[Any], kwargs: dict[str, Any], differing: set[int]
    ) -> Built | None:
        """The same module with these numbers unknown; None if they change what is built."""
        machine = self.machine
        counter = [0]
        unknown_args = [_with_unknown(value, differing, counter) for value in args]
        unknown_kwargs = {name: _with_unknown(value, differing, counter) for name, value in kwargs.items()}
        before = machine.doubts, machine.modules, len(machine.problems), machine.depth
        saved = machine.tries, machine.uncertain, machine.inside_torch, machine.default_dtype
        try:
            made, begun, alone = self._alone(cls, unknown_args, unknown_kwargs)
        except Control:
            raise
        except Exception:
            machine.unwind(before[3])
            machine.tries, machine.uncertain, machine.inside_torch, machine.default_dtype = saved
            return None
        finally:
            machine.modules = before[1]
            del machine.problems[before[2] :]
        if not alone or machine.doubts != before[0] or not same(built.module, made, built.numbers, {}):
            return None
        return Built(made, built.numbers, begun, next_number(), built.kept, frozenset(differing))


def _signature(value: Any, numbers: list[int | float], depth: int) -> Any:
    """A value as a part of a key, numbers by their type alone. Raises NotCopied."""
    kind = type(value)
    if kind is int or kind is float:
        if depth:
            return kind, value
        numbers.append(value)
        return kind
    if kind is str or kind is bool or value is None:
        return kind, value
    if kind is Function and value.frame_up is None:
        return "#", id(value)
    if kind is BoundMethod:
        return "bound", _signature(value.func, numbers, 1), id(value.self_value)
    if kind in _BY_IDENTITY or kind is Unknown:
        return "#", id(value)
    if (kind is tuple or kind is list) and len(value) <= MAXIMUM_ITEMS and depth < 4:
        return kind, *(_signature(item, numbers, depth + 1) for item in value)
    if kind is dict and len(value) <= MAXIMUM_ITEMS and depth < 4:
        return kind, *((name, _signature(item, numbers, depth + 1)) for name, item in value.items())
    raise NotCopied


def _with_unknown(value: Any, differing: set[int], counter: list[int]) -> Any:
    if type(value) is not int and type(value) is not float:
        return value
    counter[0] += 1
    return Varying(type(value), counter[0] - 1) if counter[0] - 1 in differing else value

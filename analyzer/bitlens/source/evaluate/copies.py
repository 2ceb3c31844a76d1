"""Copies of what a constructor made, and whether two constructors made the same."""

from __future__ import annotations

import copy
from typing import Any

from bitlens.source.evaluate.callables import BoundMethod, Function, Native, Partial
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.values import (
    ClassValue,
    DType,
    Instance,
    ModuleInstance,
    Tensor,
    Unknown,
    Varying,
)

_SHARED = frozenset(
    (int, float, complex, bool, str, bytes, range, slice, type(None), type(...), type, frozenset)
) | frozenset((ClassValue, DType, Native, Namespace, Unknown))
"""Kinds of values that nothing changes, or that belong to the whole program."""


class NotCopied(Exception):
    """A value that cannot be copied."""


class Copier:
    """Copies modules and what they hold, as far as it was made after `begun`; `numbers` take the place of
    `Varying` ones."""

    def __init__(self, begun: int, numbers: tuple[int | float, ...]) -> None:
        self.begun = begun
        self.numbers = numbers
        self.made: dict[int, Any] = {}
        self.modules = 0

    def module(self, value: ModuleInstance) -> ModuleInstance:
        """A module with all below it. Raises NotCopied."""
        known: ModuleInstance | None = self.made.get(id(value))
        if known is not None:
            return known
        if value.alternatives:
            raise NotCopied
        self.modules += 1
        made = ModuleInstance(value.cls, value.site, value.doubt, value.inner)
        self.made[id(value)] = made
        made.clone, made.repeats = value.clone, value.repeats
        made.host = None if value.host is None else self.value(value.host)
        made.attrs = self.table(value.attrs)
        if value.params:
            made.params = self.table(value.params)
        if value.buffers:
            made.buffers = self.table(value.buffers)
        if value.modules:
            made.modules = self.table(value.modules)
        if value.transient:
            made.transient = set(value.transient)
        return made

    def table(self, values: dict[str, Any]) -> dict[str, Any]:
        """Values by name."""
        shared, copied = _SHARED, self.value
        return {name: value if type(value) in shared else copied(value) for name, value in values.items()}

    def value(self, value: Any) -> Any:
        """Any value; what is older stays itself."""
        kind = type(value)
        if kind in _SHARED:
            return value
        if kind is Tensor:
            return self._tensor(value)
        if kind is ModuleInstance:
            return value if value.number <= self.begun else self.module(value)
        if kind is Varying:
            return self.numbers[value.index]
        if kind is Instance:
            return value if value.number <= self.begun else self._instance(value)
        if kind is tuple:
            return tuple([self.value(item) for item in value])
        if kind is BoundMethod:
            return BoundMethod(self.value(value.func), self.value(value.self_value))
        if kind is Partial:
            return self._partial(value)
        if kind is Function and value.frame_up is None:
            return value
        if isinstance(value, Unknown):
            return value
        return self._container(value)

    def _tensor(self, value: Tensor) -> Tensor:
        if value.number <= self.begun:
            return value
        known: Tensor | None = self.made.get(id(value))
        if known is None:
            shape = None if value.shape is None else self.value(value.shape)
            known = self.made[id(value)] = Tensor(shape, value.dtype, value.values, value.is_parameter)
            known.requires_grad = value.requires_grad
            if value.attrs:
                known.attrs = self.table(value.attrs)
        return known

    def _instance(self, value: Instance) -> Instance:
        known: Instance | None = self.made.get(id(value))
        if known is None:
            known = self.made[id(value)] = Instance(value.cls)
            known.attrs = self.table(value.attrs)
            known.host = self.value(value.host)
        return known

    def _partial(self, value: Partial) -> Partial:
        made = Partial(
            self.value(value.func), [self.value(item) for item in value.args], self.table(value.keywords)
        )
        made.attrs = value.attrs
        return made

    def _container(self, value: Any) -> Any:
        known = self.made.get(id(value))
        if known is not None:
            return known
        if isinstance(value, dict):
            made: Any = copy.copy(value)
            self.made[id(value)] = made
            made.clear()
            made.update((key, self.value(item)) for key, item in value.items())
            return made
        if type(value) is list:
            made = self.made[id(value)] = []
            made.extend(self.value(item) for item in value)
            return made
        if type(value) is set:
            return set(value)
        raise NotCopied


def same(first: Any, second: Any, numbers: tuple[int | float, ...], seen: dict[int, Any]) -> bool:
    """Whether two values are equal, where a `Varying` equals the number that it stands for."""
    if first is second:
        return True
    kind = type(first)
    if type(second) is Varying:
        return kind is second.kind and first == numbers[second.index]
    if kind is not type(second):
        return False
    if kind in _SHARED:
        return kind is Unknown or (kind not in _IDENTICAL and bool(first == second))
    if id(first) in seen:
        return seen[id(first)] is second
    seen[id(first)] = second
    compare = _COMPARED.get(kind)
    if compare is not None:
        return all(same(getattr(first, name), getattr(second, name), numbers, seen) for name in compare)
    if kind is list or kind is tuple:
        return len(first) == len(second) and all(
            same(a, b, numbers, seen) for a, b in zip(first, second, strict=True)
        )
    if kind is set:
        return bool(first == second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(
            same(item, second[name], numbers, seen) for name, item in first.items()
        )
    return False


_IDENTICAL = frozenset((ClassValue, DType, Native, Namespace, type))
_COMPARED: dict[type, tuple[str, ...]] = {
    ModuleInstance: (
        "cls", "site", "doubt", "inner", "clone", "repeats", "transient", "host",
        "attrs", "params", "buffers", "modules", "alternatives",
    ),
    Instance: ("cls", "host", "attrs"),
    Tensor: ("shape", "dtype", "values", "is_parameter", "requires_grad", "attrs"),
    BoundMethod: ("func", "self_value"),
    Partial: ("func", "args", "keywords", "attrs"),
}  # fmt: skip

"""The values that abstract evaluation knows.

Known constants, tuples, lists, dicts and sets are Python's own. Everything else is one of the classes here.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitlens.source.evaluate.namespace import Namespace

next_number = itertools.count(1).__next__
"""Objects are numbered in the order in which they are made."""


class Unknown:
    """A value that nothing is known about but why."""

    __slots__ = ("why",)

    def __init__(self, why: str = "") -> None:
        self.why = why

    def __repr__(self) -> str:
        return f"<unknown {self.why}>"


UNKNOWN = Unknown()


class Varying(Unknown):
    """A number of which only the type is known, the `index`-th among the arguments of a constructor."""

    __slots__ = ("index", "kind")

    def __init__(self, kind: type, index: int) -> None:
        super().__init__("a number that varies")
        self.kind = kind
        self.index = index


class Control(Exception):
    """Base of what unwinds the evaluator itself and never reaches the `except` of evaluated code."""


class LimitReached(Control):
    """Evaluation was stopped; the argument says by which limit."""


class PyRaise(Exception):
    """An exception of the evaluated program; `value` is its Instance."""

    def __init__(self, value: Any, explicit: bool = False) -> None:
        super().__init__(value)
        self.value = value
        self.explicit = explicit


class ClassValue:
    """A class: its bases, method resolution order and namespace."""

    __slots__ = (
        "__weakref__",
        "annotations",
        "bases",
        "cache",
        "extended",
        "fields",
        "host",
        "is_module",
        "line",
        "metaclass",
        "module",
        "mro",
        "name",
        "ns",
        "qualname",
        "traits",
    )

    def __init__(
        self, name: str, bases: list[Any], ns: dict[str, Any], module: Namespace | None = None
    ) -> None:
        self.name = self.qualname = name
        self.bases = bases
        self.ns = ns
        self.module = module
        self.line = 0
        self.annotations: dict[str, Any] = {}
        self.fields: dict[str, Any] | None = None
        self.metaclass: ClassValue | None = None
        self.cache: dict[str, Any] = {}
        self.extended = False
        """Whether it has subclasses."""
        self.mro: list[Any] = linearize(self, bases)
        self.host: type | None = next((base for base in self.mro if isinstance(base, type)), None)
        self.is_module: bool = any(isinstance(base, ClassValue) and base.is_module for base in self.mro[1:])
        self.traits: set[str] = set()
        for base in self.mro[1:]:
            if isinstance(base, ClassValue):
                base.extended = True
                self.traits |= base.traits
            elif isinstance(base, Unknown):
                self.traits.add("unknown")

    def lookup(self, name: str) -> Any:
        """The attribute as it stands in the first class of the order that has it; MISSING otherwise."""
        found = self.cache.get(name)
        if found is None:
            found = MISSING
            for base in self.mro:
                if type(base) is ClassValue and name in base.ns:
                    found = base.ns[name]
                    break
            if not self.cache:
                _FILLED.add(self)
            self.cache[name] = found
        return found

    def lookup_after(self, owner: ClassValue, name: str) -> Any:
        """As `lookup`, from the class after `owner` on: what `super()` finds."""
        order = self.mro
        start = order.index(owner) + 1 if owner in order else 0
        for base in order[start:]:
            if type(base) is ClassValue and name in base.ns:
                return base.ns[name]
        return MISSING

    def set(self, name: str, value: Any) -> None:
        """Assign a class attribute."""
        self.ns[name] = value
        self.changed()

    def changed(self) -> None:
        """Drop the cached lookups that a change of `ns` may concern."""
        if self.extended:
            forget_lookups()
        else:
            self.cache.clear()

    def derives(self, other: Any) -> bool:
        """Whether `other` (a class or a host type) is in the order."""
        return any(base is other for base in self.mro)

    def __repr__(self) -> str:
        return f"<class {self.qualname}>"


_FILLED: weakref.WeakSet[ClassValue] = weakref.WeakSet()


def forget_lookups() -> None:
    """Drop every cached attribute lookup; called when a class that has subclasses changes."""
    for filled in _FILLED:
        filled.cache.clear()
    _FILLED.clear()


class Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = Missing()


def linearize(cls: ClassValue, bases: list[Any]) -> list[Any]:
    """C3 order; where the bases contradict each other, left to right without repetition."""
    tails = [list(base.mro) if isinstance(base, ClassValue) else [base] for base in bases] + [list(bases)]
    result: list[Any] = [cls]
    while any(tails):
        tails = [tail for tail in tails if tail]
        head = next(
            (t[0] for t in tails if not any(_inside(t[0], other[1:]) for other in tails)), tails[0][0]
        )
        result.append(head)
        tails = [[item for item in tail if item is not head] for tail in tails]
    return result


def _inside(value: Any, items: list[Any]) -> bool:
    return any(item is value for item in items)


class Instance:
    """An object of an evaluated class; `host` is the list, dict, string … that a class derived from one
    holds."""

    __slots__ = ("attrs", "cls", "host", "number")

    def __init__(self, cls: ClassValue) -> None:
        self.cls = cls
        self.number = next_number()
        self.attrs: dict[str, Any] = {}
        self.host: Any = None

    def __repr__(self) -> str:
        return f"<{self.cls.name} object>"


class ModuleInstance(Instance):
    """An object of a class derived from `nn.Module`."""

    __slots__ = (
        "alternatives",
        "buffers",
        "clone",
        "doubt",
        "inner",
        "modules",
        "others",
        "params",
        "repeats",
        "site",
        "transient",
    )

    def __init__(self, cls: ClassValue, site: tuple[str, int] | None, doubt: int, inner: bool) -> None:
        super().__init__(cls)
        self.modules: dict[str, Any] = {}
        self.params: dict[str, Any] = {}
        self.buffers: dict[str, Any] = {}
        self.site = site
        self.doubt = doubt
        """In how many undecided branches it was made, one in the other."""
        self.inner = inner
        self.clone = False
        self.repeats = 0
        """In how many loops, of which one round was run, since how often they run is not known."""
        self.alternatives: dict[str, list[ModuleInstance]] = {}
        self.others: list[ModuleInstance] = []
        """What an undecided expression may have made in its stead."""
        self.transient: set[str] = set()


UNNAMED = "?"
"""Stands among the children of a module for those that are not known by name."""


class DType:
    """A torch dtype."""

    __slots__ = ("itemsize", "kind", "name")

    def __init__(self, name: str, itemsize: int, kind: str) -> None:
        self.name = name
        self.itemsize = itemsize
        self.kind = kind

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class Tensor:
    """A tensor by its shape (None where even the rank is unknown) and dtype; small ones may have `values`."""

    __slots__ = ("attrs", "dtype", "is_parameter", "number", "requires_grad", "shape", "values")

    def __init__(
        self, shape: tuple[Any, ...] | None, dtype: Any, values: Any = None, is_parameter: bool = False
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.values = values
        self.number = next_number()
        self.is_parameter = is_parameter
        self.requires_grad = is_parameter
        self.attrs: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<tensor {self.shape}>"


class Lazy:
    """A global name whose value is computed when it is first asked for."""

    __slots__ = ("force",)

    def __init__(self, force: Callable[[], Any]) -> None:
        self.force = force


class Iter:
    """An iterator over values that are already known."""

    __slots__ = ("number", "source")

    def __init__(self, source: Iterator[Any]) -> None:
        self.number = next_number()
        self.source = source

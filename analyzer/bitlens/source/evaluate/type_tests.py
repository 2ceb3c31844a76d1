"""What `isinstance` and `issubclass` say of abstract values."""

from __future__ import annotations

from typing import Any

from bitlens.source.evaluate.assignment import Assignment
from bitlens.source.evaluate.callables import BoundMethod, Function, HostMethod, Native, Partial
from bitlens.source.evaluate.finding import OPAQUE
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    DType,
    Instance,
    Iter,
    ModuleInstance,
    Tensor,
    Unknown,
    Varying,
)


def _protocol(name: str, value: Any) -> bool:
    """Whether a Python value is what an abstract class of `collections.abc` stands for."""
    kinds: dict[str, tuple[type, ...]] = {
        "Iterable": (list, tuple, dict, set, str, range, frozenset, Iter),
        "Sequence": (list, tuple, str, range),
        "Mapping": (dict,),
        "MutableMapping": (dict,),
        "MutableSequence": (list,),
        "Collection": (list, tuple, dict, set, str, range),
        "Sized": (list, tuple, dict, set, str, range),
        "Container": (list, tuple, dict, set, str, range),
        "Set": (set, frozenset),
        "Hashable": (str, int, float, tuple, type(None)),
        "Callable": (Function, BoundMethod, Native, Partial, ClassValue, type, HostMethod),
        "Iterator": (Iter,),
        "Generator": (Iter,),
        "Number": (int, float, complex),
        "Real": (int, float),
        "Integral": (int,),
    }
    return isinstance(value, kinds.get(name, ()))


def _elsewhere(kind: Any) -> bool:
    """Whether a class that is not known is that of a library whose text is not evaluated."""
    return isinstance(kind, Unknown) and kind.why.partition(".")[0] in OPAQUE


def _made_of_torch(value: Any) -> bool:
    """Whether nothing unknown took part in what the value is."""
    if isinstance(value, ModuleInstance):
        return "unknown" not in value.cls.traits
    return isinstance(value, Tensor)


class TypeTests(Assignment):
    """Type tests, UNKNOWN where it cannot be said."""

    def isinstance(self, value: Any, kind: Any) -> Any:
        """`isinstance`, UNKNOWN where it cannot be said."""
        if isinstance(kind, tuple):
            results = [self.isinstance(value, option) for option in kind]
            return (
                True
                if any(result is True for result in results)
                else (UNKNOWN if UNKNOWN in results else False)
            )
        if isinstance(value, Unknown) or isinstance(kind, Unknown):
            if type(value) is Varying and isinstance(kind, type):
                return issubclass(value.kind, kind)
            return False if _elsewhere(kind) and _made_of_torch(value) else UNKNOWN
        if isinstance(kind, ClassValue):
            return self._is_of_class(value, kind)
        if isinstance(kind, type):
            return self._is_of_type(value, kind)
        return UNKNOWN

    def _is_of_class(self, value: Any, kind: ClassValue) -> Any:
        check = kind.traits & {"tensor", "parameter", "function", "protocol", "dtype", "partial"}
        if isinstance(value, Instance):
            if value.cls.derives(kind):
                return True
            checker = kind.metaclass.lookup("__instancecheck__") if kind.metaclass else MISSING
            if checker is not MISSING:
                return self.call(checker, [kind, value], {})
            return UNKNOWN if "unknown" in value.cls.traits else False
        if isinstance(value, Tensor):
            provided = kind.module is None
            return provided and ("tensor" in check or ("parameter" in check and value.is_parameter))
        if isinstance(value, DType):
            return "dtype" in check
        if isinstance(value, Partial):
            return "partial" in check or ("protocol" in check and kind.name == "Callable")
        if "protocol" in check:
            return _protocol(kind.name, value)
        if isinstance(value, ClassValue):
            return value.metaclass is not None and value.metaclass.derives(kind)
        return "function" in check and isinstance(value, Function)

    def _is_of_type(self, value: Any, kind: type) -> Any:
        if isinstance(value, ClassValue):
            return kind in (type, object)
        if isinstance(value, Instance):
            return kind is object or (
                value.host is not None and isinstance(value.host, kind) and value.cls.derives(kind)
            )
        if isinstance(value, Tensor | DType | Function | Native | BoundMethod | Partial | Namespace | Iter):
            return kind is object
        return isinstance(value, kind)

    def issubclass(self, value: Any, kind: Any) -> Any:
        """`issubclass`."""
        if isinstance(kind, tuple):
            return any(self.issubclass(value, option) is True for option in kind)
        if isinstance(value, Unknown) or isinstance(kind, Unknown):
            return UNKNOWN
        if isinstance(value, ClassValue):
            return kind is object or value.derives(kind)
        if isinstance(value, type) and isinstance(kind, type):
            return issubclass(value, kind)
        return False

"""The exceptions of the evaluated program."""

from __future__ import annotations

import builtins
from typing import Any

from bitlens.source.evaluate.doubt import Doubt
from bitlens.source.evaluate.values import ClassValue, Control, Instance, PyRaise, Unknown


class Errors(Doubt):
    """Making, raising and catching exceptions."""

    exceptions: dict[str, ClassValue]

    def _exception_classes(self) -> None:
        for name in dir(builtins):
            kind = getattr(builtins, name)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                self._exception_class(kind)

    def _exception_class(self, kind: type) -> ClassValue:
        found = self.exceptions.get(kind.__name__)
        if found is None:
            bases = [self._exception_class(kind.__bases__[0])] if kind is not BaseException else []
            found = self.exceptions[kind.__name__] = ClassValue(kind.__name__, bases, {})
        return found

    def error(self, name: str, message: str) -> PyRaise:
        """A built-in exception, ready to be raised."""
        instance = Instance(self.exceptions[name])
        instance.attrs["args"] = (message,)
        return PyRaise(instance)

    def exception_of(self, value: Any) -> Any:
        """What `raise value` raises."""
        return self.call(value, [], {}) if isinstance(value, ClassValue) else value

    def current_error(self) -> PyRaise:
        """What a bare `raise` raises again."""
        return self.errors[-1] if self.errors else self.error("RuntimeError", "no exception to raise again")

    def as_raise(self, error: Exception) -> PyRaise:
        """A Python exception of an operation as the program's own."""
        if isinstance(error, PyRaise):
            return error
        name = next(
            (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in self.exceptions), "Exception"
        )
        return self.error(name, str(error))

    def catches(self, kinds: Any, error: PyRaise) -> bool:
        """Whether `except kinds` catches the exception."""
        options = kinds if isinstance(kinds, tuple) else (kinds,)
        cls = getattr(error.value, "cls", None)
        return any(isinstance(kind, Unknown) or (cls is not None and cls.derives(kind)) for kind in options)

    def is_error(self, error: Exception, name: str) -> bool:
        """Whether an exception is the built-in one of that name."""
        if isinstance(error, Control):
            return False
        return self.catches(self.exceptions[name], self.as_raise(error))

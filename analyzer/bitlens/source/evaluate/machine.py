"""The abstract machine: attributes, calls, branches that are not decided, context managers, exceptions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.callables import Function, PropertyValue
from bitlens.source.evaluate.classes import FUNCTIONS, Classes
from bitlens.source.evaluate.errors import Errors
from bitlens.source.evaluate.limits import Limits
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.plumbing import availability
from bitlens.source.evaluate.repetition import Repetition
from bitlens.source.evaluate.scope import Frame, Scope
from bitlens.source.evaluate.text import format_value, to_text
from bitlens.source.evaluate.text_files import Files
from bitlens.source.evaluate.undoing import Undoing
from bitlens.source.evaluate.values import (
    MISSING,
    ClassValue,
    DType,
    Instance,
    Iter,
    Lazy,
    LimitReached,
    ModuleInstance,
    PyRaise,
    Tensor,
    Unknown,
)


class Machine(Errors):
    """Runs closures that the compiler made, on abstract values."""

    dtypes: dict[str, DType]
    default_dtype: DType
    torch_classes: dict[str, ClassValue]
    """What `install_torch` gives."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        from bitlens.source.evaluate.builtin_functions import builtin_table
        from bitlens.source.evaluate.imports import Imports

        self.exceptions = {}
        self.classes = Classes(self)
        self._exception_classes()
        self.imports = Imports(self)
        self.files: Files = Files(self)
        self.repetition = Repetition(self)
        self.undoing = Undoing()
        self.builtins = {**self.exceptions, **builtin_table(self)}
        self.overrides: dict[tuple[str, str], Callable[[Any], Any]] = {}
        self.names: dict[tuple[str, str], Callable[[Frame], Any]] = {}
        """The closures that read names, by what kind of name it is."""
        self.inside_torch = 0
        """Depth of code of torch itself, whose modules belong to the line that called it."""

    # Names

    def builtin(self, name: str, frame: Frame) -> Any:
        """A name that neither the program nor its module binds."""
        found = self.builtins.get(name, MISSING)
        if found is not MISSING:
            return found
        if name in frame.module.attributes:
            return frame.module.attributes[name]
        if name in frame.module.stars:
            return frame.module.stars[name]
        return self.unbound(name)

    def unbound(self, name: str) -> Any:
        """A name without value: an error inside `try`, else unknown, since it may come from what was not
        run."""
        if self.tries:
            raise self.error("NameError", f"name {name!r} is not defined")
        return Unknown(f"the name {name!r}")

    def namespace_of(self, which: str, frame: Frame) -> Any:
        """`locals()`, `vars()`, `dir()` or `globals()` without arguments."""
        if which == "globals":
            return frame.module.vars
        while frame.function is None and frame.up is not None and not frame.is_class:
            frame = frame.up
        return list(frame.vars) if which == "dir" else frame.vars

    def evaluate(self, text: str) -> Any:
        """`eval(text)` in the names of the function that runs. Raises the program's SyntaxError or
        NameError."""
        from bitlens.source.evaluate.compile_statements import Statements

        try:
            body = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self.error("SyntaxError", text[:100]) from error
        frame = self.frames[-1]
        compiler = Statements(self, frame.line - body.lineno)
        compiler.scope = Scope(is_class=True)
        # At the top of a module names are the module's, some of which wait for their value.
        compiler.scope.locals = set() if frame.vars is frame.module.vars else set(frame.vars)
        self.tries += 1
        try:
            return compiler.expression(body)(frame)
        finally:
            self.tries -= 1

    def in_module(self, node: ast.expr, module: Namespace) -> Any:
        """An expression in the names of a module; UNKNOWN where it fails."""
        from bitlens.source.evaluate.compile_statements import Statements

        self.imports.ensure(module)
        compiler = Statements(self, 0)
        compiler.scope = Scope(is_module=True)
        return self.classes.annotation(compiler.expression(node), Frame(module.vars, module))

    # Calls

    def overridden(self, function: Function, frame: Frame) -> Any:
        """What stands for a function of a library whose own text is not worth running."""
        qualname = function.name
        if frame.is_class:
            qualname = f"{frame.vars.get('__qualname__', '')}.{qualname}"
            frame.vars.setdefault(FUNCTIONS, []).append(function)
        function.qualname = qualname
        if frame.module.name == "transformers.utils.import_utils" and qualname.startswith("is_"):
            return availability(self, qualname)
        override = self.overrides.get((frame.module.name, qualname))
        return function if override is None else override(function)

    def decorating(self, frame: Frame, name: str) -> None:
        """Called before a function's decorators run."""

    def decorate(self, decorator: Callable[[Frame], Any], value: Any, frame: Frame, line: int) -> Any:
        """Apply a decorator; one that is not known leaves the value as it is."""
        function = decorator(frame)
        frame.line = line
        result = self.call(function, [value], {})
        return value if isinstance(result, Unknown) else result

    # Context managers

    def enter_context(self, manager: Any) -> Any:
        """`__enter__`."""
        if isinstance(manager, Instance) and not isinstance(manager, ModuleInstance):
            found = manager.cls.lookup("__enter__")
            if found is not MISSING:
                return self.call(found, [manager], {})
        return manager if not isinstance(manager, Iter) else next(manager.source, None)

    def exit_context(self, manager: Any) -> None:
        """`__exit__` without an exception."""
        if isinstance(manager, Instance) and not isinstance(manager, ModuleInstance):
            found = manager.cls.lookup("__exit__")
            if found is not MISSING:
                self.call(found, [manager, None, None, None], {})

    def suppresses(self, manager: Any, error: PyRaise) -> bool:
        """Whether `contextlib.suppress` swallows the exception."""
        kinds = manager.attrs.get("suppressed") if isinstance(manager, Instance) else None
        return kinds is not None and self.catches(kinds, error)

    # Text

    def to_text(self, value: Any) -> Any:
        """`str(value)`."""
        return to_text(self, value)

    def format(self, value: Any, conversion: int, spec: Any) -> Any:
        """A field of an f-string."""
        return format_value(self, value, conversion, spec)

    def sorted(self, items: Any, kwargs: dict[str, Any]) -> list[Any]:
        """`sorted(items, …)`."""
        from bitlens.source.evaluate.builtin_iteration import sort

        return sort(self, items, kwargs)


__all__ = ["Lazy", "LimitReached", "Machine", "PropertyValue", "Tensor"]

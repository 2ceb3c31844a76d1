"""The abstract machine: attributes, calls, branches that are not decided, context managers, exceptions."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.attributes import Attributes
from bitlens.source.evaluate.classes import FUNCTIONS, Classes
from bitlens.source.evaluate.limits import Limits
from bitlens.source.evaluate.plumbing import availability
from bitlens.source.evaluate.repetition import Repetition
from bitlens.source.evaluate.scope import Frame, Scope
from bitlens.source.evaluate.text import format_value, to_text
from bitlens.source.evaluate.text_files import Files
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    BoundMethod,
    ClassMethod,
    ClassValue,
    Code,
    Control,
    DType,
    Function,
    HostMethod,
    Instance,
    Iter,
    Lazy,
    LimitReached,
    ModuleInstance,
    Native,
    Partial,
    PropertyValue,
    PyRaise,
    StaticMethod,
    Super,
    Tensor,
    Unknown,
)

MAXIMUM_YIELDS = 4096
"""Values of a generator, which is run to its end when it is called."""


_CAST = frozenset(("to", "type", "half", "float", "double", "bfloat16", "requires_grad_"))
"""Methods of a module that change what is below it."""
_READ = frozenset(
    [
        "__getattribute__",
        "__getattr__",
        "__getitem__",
        "__len__",
        "__iter__",
        "__contains__",
        "keys",
        "values",
        "items",
        "getattr",
        "hasattr",
        "isinstance",
        "len",
        "children",
        "named_children",
        "modules",
        "named_modules",
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "get_submodule",
    ]
)
"""Functions that change nothing of their first argument."""
MAXIMUM_DOUBT = 4
"""Undecided tests inside each other whose sides are run; each doubles the work, and recursion would never
end."""


class _EnoughYielded(Exception):
    """Stops a generator that yields for ever."""


class Machine(Attributes):
    """Runs closures that the compiler made, on abstract values."""

    dtypes: dict[str, DType]
    default_dtype: DType
    torch_classes: dict[str, ClassValue]
    """What `install_torch` gives."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        from bitlens.source.evaluate.builtin_functions import builtin_table
        from bitlens.source.evaluate.imports import Imports

        self.exceptions: dict[str, ClassValue] = {}
        self.classes = Classes(self)
        self._exception_classes()
        self.imports = Imports(self)
        self.files = Files(self)
        self.repetition = Repetition(self)
        self.builtins = {**self.exceptions, **builtin_table(self)}
        self.overrides: dict[tuple[str, str], Callable[[Any], Any]] = {}
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
        compiler.scope.locals = set(frame.vars)
        self.tries += 1
        try:
            return compiler.expression(body)(frame)
        finally:
            self.tries -= 1

    # Calls

    def call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call anything."""
        handler = _CALLS.get(type(target))
        if handler is not None:
            return handler(self, target, args, kwargs)
        if isinstance(target, type):
            return self.call_type(target, args, kwargs)
        return UNKNOWN

    def call_method(self, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """`target.name(*args, **kwargs)`, without making the bound method where that is easy."""
        if isinstance(target, Instance):
            found = target.cls.lookup(name)
            if type(found) is Function and name not in target.attrs:
                return self.call_function(found, [target, *args], kwargs)
        return self.call(self.getattr(target, name), args, kwargs)

    def call_bound(self, target: BoundMethod, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a method with its object first."""
        return self.call(target.func, [target.self_value, *args], kwargs)

    def call_native(self, target: Native, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call what the evaluator provides."""
        self.tick()
        if args:
            kind = type(args[0])
            if kind is ModuleInstance or kind is Instance:
                self._note_change(target, args[0])
        return target.function(args, kwargs)

    def _note_change(self, target: Native, first: Instance) -> None:
        """Tell `repetition` of what a native function may change."""
        if type(first) is ModuleInstance:
            if target.name in _CAST:
                self.repetition.forget()
            if target.name not in _READ:
                self.repetition.changed(first.number)
        elif target.method and target.name not in _READ:
            self.repetition.changed_object(first.number)

    def call_partial(self, target: Partial, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a `functools.partial`."""
        return self.call(target.func, [*target.args, *args], {**target.keywords, **kwargs})

    def call_class(self, target: ClassValue, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Make an instance."""
        if target.is_module:
            return self.repetition.construct(target, args, kwargs)
        return self.classes.instantiate(target, args, kwargs)

    def call_instance(self, target: Instance, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object by its `__call__`; the output of a module is not computed."""
        if isinstance(target, ModuleInstance):
            return Unknown("output of a module")
        found = target.cls.lookup("__call__")
        if found is MISSING:
            if "unknown" in target.cls.traits:
                return UNKNOWN
            raise self.error("TypeError", f"{target!r} is not callable")
        return self.call(found, [target, *args], kwargs)

    def call_unknown(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call what is not known."""
        return UNKNOWN

    def call_static(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a static or class method object itself."""
        return self.call(target.func, args, kwargs)

    def call_super(self, target: Super, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """`super()(…)`: nothing known."""
        return UNKNOWN

    def call_function(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a function of the program."""
        self.tick()
        code = function.code
        frame = Frame(self.bind(function, args, kwargs), function.module, function.frame_up, function)
        frame.line = code.line
        if code.body is None:
            assert code.compile is not None
            code.body = code.compile(code)
        if code.is_async:
            return UNKNOWN
        self.enter(frame)
        try:
            if code.is_generator:
                return self._run_generator(frame, code)
            code.body(frame)
        finally:
            self.leave()
        return frame.result

    def _run_generator(self, frame: Frame, code: Code) -> Any:
        frame.yields = []
        assert code.body is not None
        try:
            code.body(frame)
        except _EnoughYielded:
            self.unwind(self.frames.index(frame) + 1)
        return Iter(iter(frame.yields))

    def yield_values(self, frame: Frame, values: Any) -> None:
        """Collect what a generator yields."""
        while frame.yields is None and frame.up is not None:
            frame = frame.up
        if frame.yields is None:
            return
        for value in values:
            self.tick()
            frame.yields.append(value)
            if len(frame.yields) >= MAXIMUM_YIELDS:
                raise _EnoughYielded

    def bind(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments to parameters, as Python does it. Raises the program's TypeError where they do not
        fit."""
        code = function.code
        names = code.args
        variables = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            if code.vararg is None:
                raise self.error(
                    "TypeError", f"{code.name}() takes {len(names)} positional arguments, {len(args)} given"
                )
            variables[code.vararg] = tuple(args[len(names) :])
        elif code.vararg is not None:
            variables[code.vararg] = ()
        extra: dict[str, Any] = {}
        for name, value in kwargs.items():
            if (name in names and names.index(name) >= code.positional_only) or name in code.kwonly:
                if name in variables:
                    raise self.error("TypeError", f"{code.name}() got several values for {name!r}")
                variables[name] = value
            elif code.kwarg is not None:
                extra[name] = value
            else:
                raise self.error("TypeError", f"{code.name}() got an unexpected argument {name!r}")
        if code.kwarg is not None:
            variables[code.kwarg] = self.repetition.born(extra)
        if len(variables) < len(names) + len(code.kwonly) + (code.vararg is not None) + (
            code.kwarg is not None
        ):
            self._defaults(function, variables)
        return variables

    def _defaults(self, function: Function, variables: dict[str, Any]) -> None:
        code = function.code
        first = len(code.args) - len(function.defaults)
        for index, name in enumerate(code.args):
            if name not in variables:
                if index < first:
                    raise self.error("TypeError", f"{code.name}() misses the argument {name!r}")
                variables[name] = function.defaults[index - first]
        for name in code.kwonly:
            if name not in variables:
                if name not in function.kw_defaults:
                    raise self.error("TypeError", f"{code.name}() misses the argument {name!r}")
                variables[name] = function.kw_defaults[name]

    def call_type(self, kind: type, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a Python type such as `int` or `dict`."""
        from bitlens.source.evaluate.builtin_functions import construct

        self.tick()
        made = construct(self, kind, args, kwargs)
        return self.repetition.born(made) if type(made) in (list, dict, set) else made

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

    # What is not decided

    def branches(self, frame: Frame, body: Callable[[Frame], Any], orelse: Callable[[Frame], Any]) -> Any:
        """Run both sides of a test that is not known; a side that raises is the one that does not happen."""
        self.doubts += 1
        if self.uncertain >= MAXIMUM_DOUBT:
            return None
        before = dict(frame.vars)
        self.uncertain += 1
        try:
            signal, first, result = self._side(frame, body)
            changed = dict(frame.vars)
            frame.vars.clear()
            frame.vars.update(before)
            other, second, other_result = self._side(frame, orelse)
        finally:
            self.uncertain -= 1
        if first and not second:
            frame.vars.clear()
            frame.vars.update(changed)
            frame.result = result
            return signal
        if second and not first:
            frame.result = other_result
            return other
        self._merge(frame, changed, before)
        if signal == other:
            frame.result = self._pick(result, other_result)
            return signal
        # One side leaves the function or loop: what follows is the other side's continuation.
        if "return" in (signal, other):
            frame.result = result if signal == "return" else other_result
        return None

    def _side(self, frame: Frame, action: Callable[[Frame], Any]) -> tuple[Any, bool, Any]:
        depth, tries = self.depth, self.tries
        frame.result = None
        self.tries += 1
        try:
            signal = action(frame)
        except (PyRaise, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            self.unwind(depth)
            return None, False, None
        finally:
            self.tries = tries
        return signal, True, frame.result

    def _merge(self, frame: Frame, changed: dict[str, Any], before: dict[str, Any]) -> None:
        for name, value in changed.items():
            other = frame.vars.get(name, MISSING)
            if other is MISSING or other is not value:
                frame.vars[name] = value if other is MISSING else self._pick(value, other)

    def _pick(self, value: Any, other: Any) -> Any:
        """One of two values that a variable may have: a number is then unknown, an object the likelier
        one."""
        if value is other:
            return value
        if isinstance(value, Unknown) or value is None:
            return other
        if isinstance(other, Unknown) or other is None:
            return value
        if isinstance(value, ModuleInstance) and isinstance(other, ModuleInstance):
            value.others = [*value.others, other]
        if isinstance(value, int | float | str | bool | tuple) and not isinstance(value, tuple):
            return value if type(value) is type(other) and value == other else Unknown("decided by a test")
        return value

    def either(self, first: Callable[[], Any], second: Callable[[], Any]) -> Any:
        """`a if unknown else b`."""
        self.doubts += 1
        if self.uncertain >= MAXIMUM_DOUBT:
            return UNKNOWN
        self.uncertain += 1
        try:
            return self._pick(first(), second())
        finally:
            self.uncertain -= 1

    def unknown_loop(self, frame: Frame, bind: Callable[[], None], body: Callable[[Frame], Any]) -> Any:
        """A loop whose rounds are not known: one round, in doubt."""
        self.doubts += 1
        if self.uncertain >= MAXIMUM_DOUBT:
            return None
        self.uncertain += 1
        self.repeating += 1
        self.report("unknown-loop", "how often this loop runs is not known", frame.module.file, frame.line)
        try:
            bind()
            signal = body(frame)
        finally:
            self.uncertain -= 1
            self.repeating -= 1
        return signal if signal == "return" else None

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
        from bitlens.source.evaluate.builtin_functions import sort

        return sort(self, items, kwargs)

    def comprehend(
        self, clauses: list[Any], at: int, source: Any, frame: Frame, element: Any, result: list[Any]
    ) -> None:
        """Run the clauses of a comprehension from `at` on."""
        _, store, tests = clauses[at]
        doubt = isinstance(source, Unknown)
        self.doubts += doubt
        if doubt and self.uncertain >= MAXIMUM_DOUBT:
            return
        self.uncertain += doubt
        self.repeating += doubt
        try:
            for value in self.iterate(source):
                self.tick()
                store(frame, value)
                known = [self.truth(test(frame)) for test in tests]
                self.doubts += None in known
                if False in known:
                    continue
                if at + 1 == len(clauses):
                    result.append(element(frame))
                else:
                    self.comprehend(clauses, at + 1, clauses[at + 1][0](frame), frame, element, result)
        finally:
            self.uncertain -= doubt
            self.repeating -= doubt

    # Exceptions

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


_CALLS: dict[type, Callable[[Any, Any, list[Any], dict[str, Any]], Any]] = {
    Function: Machine.call_function,
    BoundMethod: Machine.call_bound,
    ClassValue: Machine.call_class,
    Native: Machine.call_native,
    Partial: Machine.call_partial,
    Instance: Machine.call_instance,
    ModuleInstance: Machine.call_instance,
    StaticMethod: Machine.call_static,
    ClassMethod: Machine.call_static,
    Super: Machine.call_super,
    HostMethod: Machine.call_host_method,
}
__all__ = ["Lazy", "LimitReached", "Machine", "PropertyValue", "Tensor"]

"""Calling anything: functions of the program, classes, natives, methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.assignment import Assignment
from bitlens.source.evaluate.callables import (
    BoundMethod,
    ClassMethod,
    Code,
    Function,
    HostMethod,
    Native,
    Partial,
    StaticMethod,
    Super,
)
from bitlens.source.evaluate.forwards import called
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.type_tests import TypeTests
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Control,
    DType,
    Instance,
    Iter,
    ModuleInstance,
    Tensor,
)

MAXIMUM_YIELDS = 4096
"""Values of a generator, which is run to its end when it is called."""

_SHALLOW = frozenset(
    [
        "__init__",
        "__new__",
        "__setattr__",
        "__delattr__",
        "__setitem__",
        "__delitem__",
        "add_module",
        "register_module",
        "register_parameter",
        "register_buffer",
        "append",
        "extend",
        "insert",
        "pop",
        "update",
        "setattr",
        "delattr",
        "apply",
        "eval",
        "train",
        "post_init",
        "init_weights",
        "tie_weights",
        "weight_norm",
        "spectral_norm",
        "register_parametrization",
        "remove_weight_norm",
        "remove_spectral_norm",
        "orthogonal",
    ]
)
"""Functions that change at most the module that they are given first, or say what else they change."""

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
        "copy",
        "deepcopy",
        "id",
        "print",
    ]
)
"""Functions that change nothing of their first argument."""


class _EnoughYielded(Control):
    """Stops a generator that yields for ever."""


class Calls(TypeTests):
    """Calls of every kind of value."""

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
        made = target.function(args, kwargs)
        if type(made) is ModuleInstance and target.name not in _SHALLOW and target.name not in _READ:
            self.repetition.forget()
        return made

    def _note_change(self, target: Native, first: Instance) -> None:
        """Tell `repetition` of what a native function may change."""
        if target.name in _READ:
            return
        if type(first) is not ModuleInstance:
            if target.method:
                self.repetition.changed_object(first.number)
            return
        self.repetition.changed(first.number)
        if target.name not in _SHALLOW:
            self.repetition.forget()

    def call_partial(self, target: Partial, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a `functools.partial`."""
        return self.call(target.func, [*target.args, *args], {**target.keywords, **kwargs})

    def call_class(self, target: ClassValue, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Make an instance."""
        if target.is_module:
            return self.repetition.construct(target, args, kwargs)
        return self.classes.instantiate(target, args, kwargs)

    def call_instance(self, target: Instance, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object by its `__call__`, a module by its `forward`."""
        found = target.cls.lookup("__call__")
        if isinstance(target, ModuleInstance) and type(found) is not Function:
            return called(self, target, args, kwargs)  # type: ignore[arg-type]  # every machine is a Machine
        if found is MISSING:
            if "unknown" in target.cls.traits:
                return UNKNOWN
            raise self.error("TypeError", f"{target!r} is not callable")
        return self.call(found, [target, *args], kwargs)

    def call_unknown(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call what is not known."""
        return UNKNOWN

    def call_dtype(self, target: DType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """`np.float32(x)`: a number, or an array of another dtype."""
        value = args[0] if len(args) == 1 else UNKNOWN
        if isinstance(value, Tensor):
            return self.call_method(value, "astype", [target], {})
        if not isinstance(value, int | float):
            return UNKNOWN
        return float(value) if target.kind == "float" else int(value)

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
        from bitlens.source.evaluate.builtin_types import construct

        self.tick()
        made = construct(self, kind, args, kwargs)  # type: ignore[arg-type]  # every machine is a Machine
        return self.repetition.born(made) if type(made) in (list, dict, set) else made


_CALLS: dict[type, Callable[[Any, Any, list[Any], dict[str, Any]], Any]] = {
    Function: Calls.call_function,
    BoundMethod: Calls.call_bound,
    ClassValue: Calls.call_class,
    Native: Calls.call_native,
    Partial: Calls.call_partial,
    Instance: Calls.call_instance,
    ModuleInstance: Calls.call_instance,
    StaticMethod: Calls.call_static,
    ClassMethod: Calls.call_static,
    Super: Calls.call_super,
    DType: Calls.call_dtype,
    HostMethod: Assignment.call_host_method,
}

"""Attributes of functions, methods, partials and properties."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.callables import BoundMethod, Function, Native, Partial, PropertyValue
from bitlens.source.evaluate.operators import Operators
from bitlens.source.evaluate.values import MISSING, UNKNOWN


def docstring(node: Any) -> str | None:
    """The text that documents a function or class; None for a lambda."""
    return None if isinstance(node, ast.Lambda) else ast.get_docstring(node, clean=False)


def _described(function: Function) -> Function:
    """The innermost function that `functools.wraps` took the description from."""
    inner = function.attrs.get("__wrapped__")
    return _described(inner) if isinstance(inner, Function) and inner is not function else function


class CallableAttributes(Operators):
    """What can be asked of a function and of what stands for one."""

    def _function(self, target: Function, name: str) -> Any:
        if name in target.attrs:
            return target.attrs[name]
        simple: dict[str, Callable[[], Any]] = {
            "__name__": lambda: target.name,
            "__qualname__": lambda: target.qualname,
            "__module__": lambda: target.module.name,
            "__doc__": lambda: docstring(_described(target).code.node),
            "__dict__": lambda: target.attrs,
            "__defaults__": lambda: tuple(target.defaults),
            "__kwdefaults__": lambda: target.kw_defaults,
            "__globals__": lambda: target.module.vars,
            "__annotations__": lambda: self._annotations(target),
            "__call__": lambda: target,
            "__get__": lambda: Native("__get__", lambda args, kwargs: BoundMethod(target, args[0])),
            "__code__": lambda: target,
            "__closure__": lambda: None,
            "__wrapped__": lambda: MISSING,
        }
        value = simple[name]() if name in simple else MISSING
        if value is MISSING:
            raise self.error("AttributeError", f"function has no attribute {name!r}")
        return value

    def _annotations(self, target: Function) -> dict[str, Any]:
        """Each annotation by the name of its parameter, evaluated where the module's names tell it."""
        target = _described(target)
        arguments = target.code.node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        given += [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
        nodes = {argument.arg: argument.annotation for argument in given}
        nodes["return"] = getattr(target.code.node, "returns", None)
        return {name: self.in_module(node, target.module) for name, node in nodes.items() if node is not None}

    in_module: Callable[[ast.expr, Any], Any]

    def _bound_method(self, target: BoundMethod, name: str) -> Any:
        if name == "__self__":
            return target.self_value
        if name == "__func__":
            return target.func
        return self.getattr(target.func, name)

    def _native(self, target: Native, name: str) -> Any:
        if name in target.attrs:
            return target.attrs[name]
        if name in ("__name__", "__qualname__"):
            return target.name
        return UNKNOWN

    def _partial(self, target: Partial, name: str) -> Any:
        known = {"func": target.func, "args": tuple(target.args), "keywords": target.keywords, **target.attrs}
        if name in known:
            return known[name]
        raise self.error("AttributeError", f"partial has no attribute {name!r}")

    def _wrapper(self, target: Any, name: str) -> Any:
        if name == "__func__":
            return target.func
        return self.getattr(target.func, name)

    def _property_object(self, target: PropertyValue, name: str) -> Any:
        if name in ("fget", "fset"):
            return getattr(target, name)
        if name in ("setter", "getter", "deleter"):
            return Native(name, lambda args, kwargs: self._with_accessor(target, name, args[0]))
        return UNKNOWN

    def _with_accessor(self, target: PropertyValue, name: str, function: Any) -> PropertyValue:
        result = PropertyValue(target.fget, target.fset, target.cached)
        if name != "deleter":
            setattr(result, {"setter": "fset", "getter": "fget"}[name], function)
        return result

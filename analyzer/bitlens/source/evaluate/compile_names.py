"""Reading names: local, global, of enclosing functions and of class bodies."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.compiler import Compiler, Expression
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import Lazy

if TYPE_CHECKING:
    pass


class Names(Compiler):
    """Compiles names."""

    def name(self, node: ast.Name) -> Expression:
        """The closure of `name`."""
        name, scope = node.id, self.scope
        if scope.locals is None or name in scope.globals:
            return self._shared(self._global, name)
        if name in scope.locals:
            return (
                self._class_local(self.private(name)) if scope.is_class else self._shared(self._local, name)
            )
        return self._shared(self._free, name)

    def _shared(self, make: Callable[[str], Expression], name: str) -> Expression:
        """One closure for all places that read a name in the same way: a third of all closures."""
        known = self.machine.names
        key = make.__name__, name
        if key not in known:
            known[key] = make(name)
        return known[key]

    def _global(self, name: str) -> Expression:
        machine = self.machine

        def load(f: Frame) -> Any:
            value = f.module.vars.get(name, machine)
            if value is machine:
                return machine.builtin(name, f)
            return value.force() if type(value) is Lazy else value

        return load

    def _local(self, name: str) -> Expression:
        machine = self.machine

        def load(f: Frame) -> Any:
            try:
                return f.vars[name]
            except KeyError:
                return machine.unbound(name)

        return load

    def _class_local(self, name: str) -> Expression:
        otherwise = self._free(name)
        return lambda f: f.vars[name] if name in f.vars else otherwise(f)

    def _free(self, name: str) -> Expression:
        machine = self.machine

        def load(f: Frame) -> Any:
            up = f.up
            while up is not None:
                if name in up.vars:
                    value = up.vars[name]
                    return value.force() if type(value) is Lazy else value
                up = up.up
            value = f.module.vars.get(name, machine)
            if value is machine:
                return machine.builtin(name, f)
            return value.force() if type(value) is Lazy else value

        return load

    def walrus(self, node: ast.NamedExpr) -> Expression:
        """The closure of `walrus`."""
        value, name = self.expression(node.value), node.target.id

        def assign(f: Frame) -> Any:
            result = value(f)
            frame = f
            while frame.function is None and frame.up is not None and not frame.is_class:
                frame = frame.up
            frame.vars[name] = result
            return result

        return assign

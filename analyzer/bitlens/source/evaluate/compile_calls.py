"""Calls and their arguments."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Super
from bitlens.source.evaluate.compile_names import Names
from bitlens.source.evaluate.compiler import Expression
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import UNKNOWN, Instance, Unknown

if TYPE_CHECKING:
    pass


class CallExpressions(Names):
    """Compiles calls."""

    def call(self, node: ast.Call) -> Expression:
        """The closure of `call`."""
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self._super()
        positional, keywords = self._arguments(node)
        line = node.lineno + self.offset
        if isinstance(node.func, ast.Attribute):
            return self._method_call(node.func, positional, keywords, line)
        function, call = self.expression(node.func), self.machine.call
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in ("locals", "vars", "globals", "dir")
            and not node.args
        ):
            machine, which = self.machine, node.func.id
            return lambda f: machine.namespace_of(which, f)

        def run(f: Frame) -> Any:
            target = function(f)
            arguments = positional(f)
            named = keywords(f)
            f.line = line
            return call(target, arguments, named)

        return run

    def _method_call(self, node: ast.Attribute, positional: Any, keywords: Any, line: int) -> Expression:
        owner, name = self.expression(node.value), self.private(node.attr)
        call_method = self.machine.call_method

        def run(f: Frame) -> Any:
            target = owner(f)
            arguments = positional(f)
            named = keywords(f)
            f.line = line
            return call_method(target, name, arguments, named)

        return run

    def _arguments(
        self, node: ast.Call
    ) -> tuple[Callable[[Frame], list[Any]], Callable[[Frame], dict[str, Any]]]:
        return self._positional(node.args), self._keywords(node.keywords)

    def _positional(self, nodes: list[ast.expr]) -> Callable[[Frame], list[Any]]:
        if not any(isinstance(node, ast.Starred) for node in nodes):
            parts = [self.expression(node) for node in nodes]
            if not parts:
                return lambda f: []
            if len(parts) == 1:
                only = parts[0]
                return lambda f: [only(f)]
            return lambda f: [part(f) for part in parts]
        return self._spread(nodes)

    def _spread(self, nodes: list[ast.expr]) -> Callable[[Frame], list[Any]]:
        pairs = [
            (True, self.expression(node.value))
            if isinstance(node, ast.Starred)
            else (False, self.expression(node))
            for node in nodes
        ]
        machine = self.machine

        def gather(f: Frame) -> list[Any]:
            result: list[Any] = []
            for starred, part in pairs:
                if not starred:
                    result.append(part(f))
                    continue
                value = part(f)
                result.extend([Unknown("*")] if isinstance(value, Unknown) else machine.iterate(value))
            return result

        return gather

    def _keywords(self, nodes: list[ast.keyword]) -> Callable[[Frame], dict[str, Any]]:
        if not nodes:
            return lambda f: {}
        pairs = [(node.arg, self.expression(node.value)) for node in nodes]
        machine = self.machine
        if all(name is not None for name, _ in pairs):
            return lambda f: {name: part(f) for name, part in pairs}  # type: ignore[misc]

        def gather(f: Frame) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for name, part in pairs:
                if name is None:
                    result.update(machine.mapping(part(f)))
                else:
                    result[name] = part(f)
            return result

        return gather

    def _super(self) -> Expression:
        def make(f: Frame) -> Any:
            frame: Frame | None = f
            while frame is not None:
                function = frame.function
                if function is not None and function.owner is not None and function.code.args:
                    target = frame.vars.get(function.code.args[0])
                    start = target.cls if isinstance(target, Instance) else target
                    return Super(function.owner, target, start)  # type: ignore[arg-type] # a class or its instance
                frame = frame.up
            return UNKNOWN

        return make

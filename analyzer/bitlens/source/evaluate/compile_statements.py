"""Turns statements into closures. Each gives None to go on, or one of the signals that leave a block."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.compile_control import Flow
from bitlens.source.evaluate.compiler import BREAK, CONTINUE, RETURN, Action
from bitlens.source.evaluate.lacking import makes
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import Control, Instance, Lazy


class Statements(Flow):
    """Compiles the statements of one top-level statement."""

    def block(self, nodes: list[ast.stmt]) -> Action:
        """Run statements in order until one leaves the block."""
        actions = [self.statement(node) for node in nodes]
        if len(actions) == 1:
            return actions[0]

        def run(f: Frame) -> Any:
            for action in actions:
                signal = action(f)
                if signal is not None:
                    return signal
            return None

        return run

    def body(self, nodes: list[ast.stmt], again: Callable[[], list[ast.stmt]] | None = None) -> Action:
        """A function's body: a statement that the evaluator cannot run is reported, and the next one is
        run. `again` gives the nodes, which are then not kept."""
        machine, again = self.machine, again or (lambda: nodes)
        actions = [(self.statement(node), node.lineno + self.offset) for node in nodes]

        def run(f: Frame) -> Any:
            for index, (action, line) in enumerate(actions):
                try:
                    signal = action(f)
                except Control:
                    raise
                except Exception as error:
                    if not machine.recover(error, f, line, makes(again()[index])):
                        raise
                    continue
                if signal is not None:
                    return signal
            return None

        return run

    def statement(self, node: ast.stmt) -> Action:
        """The closure of any statement."""
        handler = _HANDLERS.get(type(node))
        return handler(self, node) if handler is not None else (lambda f: None)

    def expression_statement(self, node: ast.Expr) -> Action:
        """The closure of `expression statement`."""
        if isinstance(node.value, ast.Constant):
            return lambda f: None
        value = self.expression(node.value)

        def run(f: Frame) -> Any:
            value(f)

        return run

    def import_(self, node: ast.Import) -> Action:
        """The closure of `import`."""
        machine, guarded = self.machine, self.in_try > 0
        names = [(alias.name, alias.asname) for alias in node.names]

        def run(f: Frame) -> Any:
            for name, bound in names:
                if bound is not None:
                    f.vars[bound] = machine.imports.module_value(name, f.module, guarded)
                else:
                    f.vars[name.partition(".")[0]] = machine.imports.top_value(name, f.module, guarded)

        return run

    def import_from(self, node: ast.ImportFrom) -> Action:
        """The closure of `import from`."""
        machine, guarded = self.machine, self.in_try > 0
        module, level = node.module or "", node.level
        names = [(alias.name, alias.asname or alias.name) for alias in node.names]
        at_top = self.scope.locals is None and not guarded

        def run(f: Frame) -> Any:
            source = machine.imports.absolute(module, level, f.module)
            for name, bound in names:
                if name == "*":
                    machine.imports.star(source, f)
                elif at_top:
                    f.vars[bound] = machine.imports.lazy(source, name, f.module)
                else:
                    f.vars[bound] = machine.imports.member(source, name, f.module, guarded)

        return run


_HANDLERS: dict[type, Callable[[Any, Any], Action]] = {
    ast.Expr: Statements.expression_statement,
    ast.Assign: Statements.assign,
    ast.AnnAssign: Statements.annotated,
    ast.AugAssign: Statements.augmented,
    ast.Delete: Statements.delete,
    ast.Return: Statements.return_,
    ast.Raise: Statements.raise_,
    ast.If: Statements.if_,
    ast.For: Statements.for_,
    ast.While: Statements.while_,
    ast.With: Statements.with_,
    ast.Try: Statements.try_,
    ast.Assert: Statements.assert_,
    ast.Import: Statements.import_,
    ast.ImportFrom: Statements.import_from,
    ast.FunctionDef: Statements.function,
    ast.AsyncFunctionDef: Statements.function,
    ast.ClassDef: Statements.class_,
    ast.Match: Statements.match,
    ast.Break: Statements.break_,
    ast.Continue: Statements.continue_,
}
if hasattr(ast, "TryStar"):
    _HANDLERS[ast.TryStar] = Statements.try_
__all__ = ["BREAK", "CONTINUE", "RETURN", "Instance", "Lazy", "Statements"]

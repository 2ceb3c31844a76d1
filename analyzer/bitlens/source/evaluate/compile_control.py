"""Branches, loops, contexts and exceptions."""

from __future__ import annotations

import ast
from typing import Any

from bitlens.source.evaluate.compile_definitions import Definitions
from bitlens.source.evaluate.compiler import BREAK, CONTINUE, RETURN, Action
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import UNKNOWN, Control, PyRaise, Unknown


class Flow(Definitions):
    """Compiles what decides which statements run."""

    def if_(self, node: ast.If) -> Action:
        """The closure of `if`."""
        test, body = self.expression(node.test), self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            known = machine.truth(test(f))
            if known is None:
                return machine.branches(f, body, orelse)
            return body(f) if known else orelse(f)

        return run

    def for_(self, node: ast.For) -> Action:
        """The closure of `for`."""
        iterated, store, body = self.expression(node.iter), self.target(node.target), self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            source = iterated(f)
            if isinstance(source, Unknown):
                return machine.unknown_loop(f, lambda: store(f, UNKNOWN), body)
            for value in machine.iterate(source):
                machine.tick()
                store(f, value)
                signal = body(f)
                if signal is not None:
                    if signal is BREAK:
                        return None
                    if signal is RETURN:
                        return signal
            return orelse(f)

        return run

    def while_(self, node: ast.While) -> Action:
        """The closure of `while`."""
        test, body = self.expression(node.test), self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            while True:
                machine.tick()
                known = machine.truth(test(f))
                if known is None:
                    return machine.unknown_loop(f, lambda: None, body)
                if not known:
                    return orelse(f)
                signal = body(f)
                if signal is BREAK:
                    return None
                if signal is RETURN:
                    return signal

        return run

    def with_(self, node: ast.With) -> Action:
        """The closure of `with`."""
        items = [
            (
                self.expression(item.context_expr),
                self.target(item.optional_vars) if item.optional_vars else None,
            )
            for item in node.items
        ]
        body, machine = self.block(node.body), self.machine

        def run(f: Frame) -> Any:
            managers = []
            for context, store in items:
                manager = context(f)
                entered = machine.enter_context(manager)
                managers.append(manager)
                if store is not None:
                    store(f, entered)
            try:
                return body(f)
            except PyRaise as error:
                if not any(machine.suppresses(manager, error) for manager in managers):
                    raise
                return None
            finally:
                for manager in reversed(managers):
                    machine.exit_context(manager)

        return run

    def try_(self, node: ast.Try) -> Action:
        """The closure of `try`."""
        self.in_try += 1
        body = self.block(node.body)
        self.in_try -= 1
        handlers = [self._handler(handler) for handler in node.handlers]
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        final = self.block(node.finalbody) if node.finalbody else None
        machine = self.machine

        def attempt(f: Frame) -> Any:
            machine.tries += bool(handlers)
            depth = machine.depth
            try:
                signal = body(f)
            except Control:
                machine.tries -= bool(handlers)
                raise
            except Exception as error:
                machine.tries -= bool(handlers)
                machine.unwind(depth)
                raised = machine.as_raise(error)
                for kinds, name, action in handlers:
                    if kinds is None or machine.catches(kinds(f), raised):
                        if name is not None:
                            f.vars[name] = raised.value
                        machine.errors.append(raised)
                        try:
                            return action(f)
                        finally:
                            machine.errors.pop()
                raise raised from None
            machine.tries -= bool(handlers)
            return signal if signal is not None else orelse(f)

        if final is None:
            return attempt

        def run(f: Frame) -> Any:
            try:
                signal = attempt(f)
            except Control:
                raise
            except Exception:
                left = final(f)
                if left is not None:
                    return left
                raise
            left = final(f)
            return signal if left is None else left

        return run

    def _handler(self, node: ast.ExceptHandler) -> Any:
        kinds = self.expression(node.type) if node.type is not None else None
        return kinds, node.name, self.block(node.body)

    def match(self, node: ast.Match) -> Action:
        """The closure of `match`."""
        from bitlens.source.evaluate.compile_patterns import pattern

        subject, machine = self.expression(node.subject), self.machine
        cases = [
            (
                pattern(self, case.pattern),
                self.expression(case.guard) if case.guard else None,
                self.block(case.body),
            )
            for case in node.cases
        ]

        def run(f: Frame) -> Any:
            value = subject(f)
            for matches, guard, body in cases:
                known = matches(f, value)
                if known and guard is not None:
                    known = machine.truth(guard(f))
                if known is None:
                    machine.branches(f, body, lambda f: None)
                elif known:
                    return body(f)
            return None

        return run

    def break_(self, node: ast.Break) -> Action:
        """The closure of `break`."""
        return lambda f: BREAK

    def continue_(self, node: ast.Continue) -> Action:
        """The closure of `continue`."""
        return lambda f: CONTINUE

    def return_(self, node: ast.Return) -> Action:
        """The closure of `return`."""
        value = self.expression(node.value) if node.value is not None else (lambda f: None)

        def run(f: Frame) -> Any:
            f.result = value(f)
            return RETURN

        return run

    def raise_(self, node: ast.Raise) -> Action:
        """The closure of `raise`."""
        machine = self.machine
        value = self.expression(node.exc) if node.exc is not None else None

        def run(f: Frame) -> Any:
            f.line = line
            if value is None:
                raise machine.current_error()
            raise PyRaise(machine.exception_of(value(f)), explicit=True)

        line = node.lineno + self.offset
        return run

    def assert_(self, node: ast.Assert) -> Action:
        """The closure of `assert`."""
        test, machine = self.expression(node.test), self.machine

        def run(f: Frame) -> Any:
            if machine.truth(test(f)) is False:
                raise machine.error("AssertionError", "assertion failed")

        return run

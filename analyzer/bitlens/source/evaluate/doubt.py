"""What is run where a test, a choice or a loop is not decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.calls import Calls
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ModuleInstance, PyRaise, Unknown, next_number

MAXIMUM_DOUBT = 4
"""Undecided tests inside each other whose sides are run; each doubles the work, and recursion would never
end."""


class Doubt(Calls):
    """Branches, choices and loops of which it is not known how they go."""

    def branches(self, frame: Frame, body: Callable[[Frame], Any], orelse: Callable[[Frame], Any]) -> Any:
        """Run both sides of a test that is not known; a side that raises is the one that does not happen."""
        self.doubts += 1
        if self.uncertain >= MAXIMUM_DOUBT:
            return None
        before, entered = dict(frame.vars), self.branched
        self.uncertain += 1
        self.branched = next_number()
        try:
            signal, first, result = self._side(frame, body)
            changed = dict(frame.vars)
            frame.vars.clear()
            frame.vars.update(before)
            other, second, other_result = self._side(frame, orelse)
        finally:
            self.uncertain -= 1
            self.branched = entered
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

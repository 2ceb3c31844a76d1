"""The limits of one evaluation, and what it costs so far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bitlens.problems import Problem
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import UNNAMED, Control, LimitReached, ModuleInstance, PyRaise, Unknown


@dataclass(frozen=True, slots=True)
class Limits:
    """Where evaluation ends, whatever the source says. Each is named in the problem that it causes."""

    steps: int = 8_000_000
    """Calls and rounds of loops."""
    seconds: float = 60.0
    """Of the thread's processor time: a busy machine is no reason to say less."""
    wall_seconds: float = 300.0
    modules: int = 300_000
    """Layers of one model."""
    elements: int = 60_000_000
    """Elements of all lists and characters of all strings that are made by repetition or concatenation."""
    depth: int = 120
    """Calls inside calls."""
    number_bits: int = 100_000
    """Size of an integer."""


class Budget:
    """Counts against the limits, keeps the stack of frames and collects problems."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.frames: list[Frame] = []
        self.problems: list[Problem] = []
        self.tries = 0
        self.errors: list[PyRaise] = []
        self.uncertain = 0
        self.branched = 0
        """When the innermost undecided branch was entered, in the numbers of instances."""
        self.doubts = 0
        """How often a test, a loop or a choice was not decided."""
        self.repeating = 0
        """Loops around what is run now of which it is not known how often they run."""
        self.reset(limits)

    def reset(self, limits: Limits) -> None:
        """Start counting anew."""
        self.limits = limits
        self.steps = 0
        self.modules = 0
        self.elements = 0
        self.processor_deadline = time.thread_time() + limits.seconds
        self.next_look = time.monotonic() + limits.seconds
        self.deadline = time.monotonic() + limits.wall_seconds
        self.depth = 0
        self.problems = []
        self.doubts = 0
        self.loaded_from: str | None = None
        """Folder of the checkpoint that was loaded last."""
        self.frames.clear()
        self.errors.clear()
        self.tries = self.uncertain = self.branched = self.repeating = 0

    def tick(self) -> None:
        """Count one step."""
        self.steps += 1
        if self.steps & 0xFF == 0:
            self.charge(0)

    def charge(self, steps: int) -> None:
        """Count many steps at once."""
        self.steps += steps
        if self.steps > self.limits.steps:
            raise LimitReached(f"{self.limits.steps:,} steps")
        now = time.monotonic()
        if now > self.deadline:
            raise LimitReached(f"{self.limits.wall_seconds:g} seconds")
        if now > self.next_look:
            # The processor's clock costs a system call, and does not run faster than this one.
            left = self.processor_deadline - time.thread_time()
            if left < 0:
                raise LimitReached(f"{self.limits.seconds:g} seconds of processor time")
            self.next_look = now + left

    def allocate(self, elements: int) -> None:
        """Count elements or characters about to be made."""
        if elements > 256:
            self.elements += elements
            if self.elements > self.limits.elements:
                raise LimitReached(f"{self.limits.elements:,} elements of lists and strings")

    def count_module(self) -> None:
        """Count one layer."""
        self.modules += 1
        if self.modules > self.limits.modules:
            raise LimitReached(f"{self.limits.modules:,} modules")

    def enter(self, frame: Frame) -> None:
        """Push a frame."""
        self.depth += 1
        if self.depth > self.limits.depth:
            self.depth -= 1
            raise LimitReached(f"{self.limits.depth} calls inside each other")
        self.frames.append(frame)

    def leave(self) -> None:
        """Pop a frame."""
        self.depth -= 1
        self.frames.pop()

    def unwind(self, depth: int) -> None:
        """Pop the frames that an exception left."""
        del self.frames[depth:]
        self.depth = depth

    def report(self, code: str, message: str, file: str | None, line: int | None) -> None:
        """Note a problem once for its place."""
        problem = Problem(code, message, file, line, None, "warning")
        if len(self.problems) < 100 and problem not in self.problems:
            self.problems.append(problem)

    def recover(self, error: Exception, frame: Frame, line: int, makes: bool = False) -> bool:
        """Whether to go on after a statement that failed: not inside `try`, and after the program's own
        `raise`
        only in the constructor of a module, whose other layers are still worth knowing. What a statement that
        `makes` something would have put into the module is not known."""
        if isinstance(error, Control) or self.tries:
            return False
        if isinstance(error, PyRaise) and error.explicit and not _constructs_module(frame):
            return False
        file = frame.module.file
        self.report("not-evaluated", f"this statement cannot be evaluated: {describe(error)}", file, line)
        module = self._under_construction() if makes else None
        if module is not None:
            module.modules[UNNAMED] = Unknown("a statement that cannot be evaluated")
        return True

    def _under_construction(self) -> ModuleInstance | None:
        """The module whose method runs, directly or by functions that it calls."""
        for frame in reversed(self.frames):
            if frame.vars is frame.module.vars:
                return None
            function = frame.function
            owner = None if function is None else function.owner
            if function is not None and owner is not None and owner.is_module and function.code.args:
                target = frame.vars.get(function.code.args[0])
                return target if isinstance(target, ModuleInstance) else None
        return None


def _constructs_module(frame: Frame) -> bool:
    function = frame.function
    owner = None if function is None else function.owner
    return owner is not None and owner.is_module and function is not None and function.name == "__init__"


def describe(error: Exception) -> str:
    """An exception in one line."""
    if isinstance(error, PyRaise):
        value: Any = error.value
        arguments = getattr(value, "attrs", {}).get("args", ())
        name = getattr(getattr(value, "cls", None), "name", "exception")
        text = ", ".join(str(argument) for argument in arguments if isinstance(argument, str | int | float))
        return f"{name}: {text[:200]}" if text else str(name)
    return f"{type(error).__name__}: {str(error)[:200]}"

"""What all parts of the compiler share."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.scope import Frame, Scope

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Expression = Callable[[Frame], Any]
Action = Callable[[Frame], Any]
BREAK, CONTINUE, RETURN = "break", "continue", "return"
"""What a statement gives that leaves its block."""


class Compiler:
    """Compiles the parts of one top-level statement, whose first line is `offset` + 1 in the file."""

    def __init__(self, machine: Machine, offset: int) -> None:
        self.machine = machine
        self.offset = offset
        self.scope = Scope(is_module=True)
        self.owner: str | None = None
        """Name of the class in whose text this stands, less its leading underscores."""

    in_try = 0

    def private(self, name: str) -> str:
        """How Python spells a name inside a class: `__x` of class C is `_C__x`."""
        return f"_{self.owner}{name}" if self.owner and name[:2] == "__" != name[-2:] else name

    # Defined by the other parts of the compiler.
    expression: Callable[[ast.expr | None], Expression]
    target: Callable[[ast.expr], Callable[[Frame, Any], None]]
    """The closure that assigns a value."""
    function_value: Callable[[Any, str], Expression]
    """The closure that makes a function."""
    block: Callable[[list[ast.stmt]], Action]
    body: Callable[..., Action]

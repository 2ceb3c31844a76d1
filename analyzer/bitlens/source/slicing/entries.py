"""How the body of a function comes to run in a slice: the call that the file makes, or defaults alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bitlens.source.knowledge import Function, required_arguments
from bitlens.source.slicing.closure import Closure
from bitlens.source.slicing.effects import effects, parameters
from bitlens.source.slicing.forbidden import called
from bitlens.source.slicing.scopes import Atom
from bitlens.source.slicing.views import Analysis, Unsliceable, View

_RUNNERS = frozenset(
    {"fire.Fire", "typer.run", "asyncio.run", "absl.app.run", "app.run", "tyro.cli", "plac.call"}
)


@dataclass(eq=False)
class Entry:
    """A function of which single atoms are kept, and the call that runs it."""

    view: View
    caller: View | None = None
    atom: Atom | None = None
    """The statement of the caller that holds the call."""
    call: ast.Call | None = None

    @property
    def function(self) -> Function:
        """The function's node."""
        assert self.view.scope.node is not None
        return self.view.scope.node

    @property
    def bound(self) -> bool:
        """Whether the first parameter is self."""
        return self.view.class_node is not None

    @property
    def text(self) -> str:
        """The call for a function that the file never calls."""
        if self.view.class_node is None:
            return f"{self.function.name}()"
        made = f"{self.view.class_node.name}()"
        return made if self.function.name == "__init__" else f"{made}.{self.function.name}()"

    @property
    def started(self) -> str:
        """The statement that runs such a function."""
        if isinstance(self.function, ast.AsyncFunctionDef):
            return f"import asyncio; asyncio.run({self.text})"
        return self.text


def chain_of(view: View, analysis: Analysis) -> list[Entry]:
    """The entries from a function up to the file's own flow, innermost first; none for the file itself."""
    chain: list[Entry] = []
    seen: set[Function] = set()
    current: View | None = view
    while current is not None and current.scope.node is not None:
        if current.scope.node in seen:
            break
        seen.add(current.scope.node)
        entry = _entry(current, analysis, seen)
        chain.append(entry)
        current = entry.caller
    return chain


def _entry(view: View, analysis: Analysis, seen: set[Function]) -> Entry:
    calls = list(_calls_of(view, analysis))
    for caller, atom, call in calls:
        if caller.scope.node is None:
            return Entry(view, caller, atom, call)
    for caller, atom, call in calls:
        if caller.scope.node not in seen:
            return Entry(view, caller, atom, call)
    return Entry(view)


def _calls_of(view: View, analysis: Analysis) -> Iterator[tuple[View, Atom, ast.Call]]:
    assert view.scope.node is not None
    for caller in _all_views(analysis):
        for atom in caller.scope.atoms:
            for call in atom.effects.calls:
                if _is_call_of(call, view, caller):
                    yield caller, atom, call


def _all_views(analysis: Analysis) -> Iterator[View]:
    yield analysis.module
    for atom in analysis.module.scope.atoms:
        for function, class_node in analysis.defined_in(atom):
            if class_node is None or not analysis.knowledge.is_module(class_node.name):
                yield analysis.view(function, atom.offset, analysis.module, class_node)


def _is_call_of(call: ast.Call, view: View, caller: View) -> bool:
    function = view.scope.node
    assert function is not None
    if view.class_node is None:
        return isinstance(call.func, ast.Name) and call.func.id == function.name
    if function.name == "__init__":
        return isinstance(call.func, ast.Name) and call.func.id == view.class_node.name
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == function.name
        and _is_own(call.func, view, caller)
    )


def _is_own(func: ast.Attribute, view: View, caller: View) -> bool:
    """`self.build()` in a method of the class, or `trainer.build()` on a variable that holds one of its
    objects."""
    if not isinstance(func.value, ast.Name):
        return False
    if caller.class_node is view.class_node and func.value.id == caller.scope.owner:
        return True
    class_name = view.class_node.name if view.class_node else ""
    for atom in caller.scope.atoms:
        if func.value.id in atom.effects.binds and any(
            _names(call, class_name) for call in atom.effects.calls
        ):
            return True
    return False


def _names(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


def wrapped_runner(view: View, analysis: Analysis) -> str | None:
    """`fire.Fire(main)` and the like: what starts the function instead of a call; None if nothing does."""
    assert view.scope.node is not None
    for decorator in view.scope.node.decorator_list:
        func = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = analysis.knowledge.meaning(func) or ast.unparse(func)
        if name.startswith(("hydra.", "click.")) or name.endswith((".command", ".option", ".argument")):
            return f"@{ast.unparse(func)}"
    for atom in analysis.module.scope.atoms:
        for call in atom.effects.calls:
            starter = called(call, analysis.knowledge)
            if starter in _RUNNERS and any(
                isinstance(a, ast.Name) and a.id == view.scope.node.name for a in call.args
            ):
                return starter
    return None


def used_parameters(entry: Entry, closure: Closure) -> set[str]:
    """Parameters of the function that its kept atoms (and the defaults of none) read."""
    names = set(parameters(entry.function.args))
    used: set[str] = set()
    for atom in entry.view.scope.atoms:
        if atom in closure.kept.atoms and atom not in closure.kept.neutral:
            used |= (atom.effects.reads | atom.effects.deferred | atom.effects.stores) & names
    return used


def keep_call(entry: Entry, closure: Closure, analysis: Analysis) -> list[ast.expr]:
    """Keep what the call needs. Gives the arguments that the kept atoms do not use. Raises Unsliceable."""
    used = used_parameters(entry, closure)
    if entry.call is None or entry.atom is None or entry.caller is None:
        _check_defaults(entry, used, analysis)
        return []
    given = _given(entry)
    unused = [value for name, value in given if name not in used]
    atom, caller = entry.atom, entry.caller
    closure.keep_place(atom, caller)
    for name, value in [*given, ("", entry.call.func)]:
        if name in used or not name:
            for read in sorted(effects([value], caller.scope.owner).reads):
                closure.need(read, caller, atom.index, atom.blocks)
            closure.check(value, atom)
    return unused


def _check_defaults(entry: Entry, used: set[str], analysis: Analysis) -> None:
    function, line = entry.function, entry.function.lineno + entry.view.offset
    needed = required_arguments(function, entry.bound)
    missing = [name for name in needed if name in used]
    runner = wrapped_runner(entry.view, analysis)
    where = f"is filled by {runner}" if runner else "has no default, and nothing in this file calls it"
    if needed:
        name = (missing or needed)[0]
        raise Unsliceable(line, f"needs parameter {name!r} of {function.name}(), which {where}")


def _given(entry: Entry) -> list[tuple[str, ast.expr]]:
    """Pairs of a parameter and what the call gives for it; `*` and `**` count as given to all."""
    assert entry.call is not None
    arguments = entry.function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][
        1 if entry.bound else 0 :
    ]
    pairs: list[tuple[str, ast.expr]] = []
    for position, value in enumerate(entry.call.args):
        starred = isinstance(value, ast.Starred)
        pairs.append(("" if starred or position >= len(names) else names[position], value))
    pairs += [(keyword.arg or "", keyword.value) for keyword in entry.call.keywords]
    return pairs

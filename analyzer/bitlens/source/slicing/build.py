"""One slice: from a candidate or an expression to the text of a program."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from bitlens.source.bindings import assignments
from bitlens.source.knowledge import Knowledge
from bitlens.source.slicing.candidates import Candidate, in_loop
from bitlens.source.slicing.closure import Closure
from bitlens.source.slicing.effects import effects
from bitlens.source.slicing.entries import Entry, chain_of, keep_call
from bitlens.source.slicing.forbidden import in_training_loop
from bitlens.source.slicing.render import Changes, Edit, Renderer, edit_between, span
from bitlens.source.slicing.scopes import LOOPS, Atom, branches
from bitlens.source.slicing.settings import is_global_setting, is_grad_mode
from bitlens.source.slicing.views import Analysis, Unsliceable, View
from bitlens.source.tree import children, walk


@dataclass(frozen=True)
class Built:
    """The text of a slice and the expression that is the model in it."""

    text: str
    target: str
    dropped: tuple[Unsliceable, ...]
    """Changes of the model that had to be left out."""


def build_expression(node: ast.expr, text: str, analysis: Analysis) -> Built:
    """The slice for an expression in the file's own names. Raises Unsliceable."""
    module = analysis.module
    count = len(module.scope.atoms)
    closure = Closure(analysis, count)
    for name in sorted(effects([node]).reads):
        closure.need(name, module, count, ())
    _keep_settings(closure, module, _last_kept(module, closure))
    closure.settle_arguments()
    rendered = Renderer(text, analysis, closure.kept, Changes()).render()
    return Built(rendered, ast.unparse(node), ())


def build_candidate(candidate: Candidate, text: str, analysis: Analysis) -> Built:
    """The slice for a model that the file builds. Raises Unsliceable."""
    chain = chain_of(candidate.view, analysis)
    outermost = chain[-1] if chain else None
    horizon = _horizon(candidate, outermost, analysis)
    closure = Closure(analysis, horizon, frozenset(entry.function for entry in chain))
    changes = Changes()
    _keep_model(candidate, closure)
    for entry in chain:
        _keep_entry(entry, closure, analysis, changes, text)
    last = candidate.atoms[-1].index if candidate.view is analysis.module else 0
    _keep_settings(closure, analysis.module, max(_last_kept(analysis.module, closure), last))
    closure.settle_arguments()
    target = _publish(candidate, closure, changes, bool(chain), text)
    rendered = Renderer(text, analysis, closure.kept, changes).render()
    return Built(rendered, target, tuple(closure.dropped))


def _horizon(candidate: Candidate, outermost: Entry | None, analysis: Analysis) -> int:
    if outermost is None:
        return candidate.end
    if outermost.atom is not None and outermost.caller is analysis.module:
        return outermost.atom.index
    return len(analysis.module.scope.atoms)


def _keep_model(candidate: Candidate, closure: Closure) -> None:
    """The atoms that build the model and those that change it before another takes its name."""
    view = candidate.view
    for atom in candidate.atoms:
        if candidate.variable is None:
            _keep_inner(candidate, atom, closure)
        else:
            closure.keep(atom, view)
    root = candidate.root
    if root is None:
        return
    own_loops = in_loop(candidate)
    last = max(atom.index for atom in candidate.atoms)
    for atom in view.scope.atoms[last + 1 : candidate.end]:
        if root in view.touches(atom) | atom.effects.binds and not _later_training(
            atom, own_loops, closure.knowledge
        ):
            if root in atom.effects.binds and not _gives_back(root, atom, view, closure):
                continue
            closure.keep_change(atom, view)


def _later_training(atom: Atom, own_loops: set[Atom], knowledge: Knowledge) -> bool:
    """Whether the atom runs inside a training loop that does not also build the model."""
    if not in_training_loop(atom, knowledge):
        return False
    loops = {block.header for block in atom.blocks if isinstance(block.header.node, LOOPS)}
    return not loops <= own_loops


def _gives_back(variable: str, atom: Atom, view: View, closure: Closure) -> bool:
    """`model = model.half()`: a new binding that is the same model. Wrappers and headers are not."""
    for target, value, position in assignments(atom.node):
        if target == variable and position is None:
            return closure.analysis.models.use(value, view.variables, target) is not None
    return False


def _keep_inner(candidate: Candidate, atom: Atom, closure: Closure) -> None:
    """An expression inside a statement that itself does not run."""
    closure.check(candidate.expression, atom)
    for name in sorted(effects([candidate.expression], candidate.view.scope.owner).reads):
        closure.need(name, candidate.view, atom.index, atom.blocks)
    if candidate.view.scope.node is not None or atom.blocks:
        closure.keep_place(atom, candidate.view)


def _keep_entry(entry: Entry, closure: Closure, analysis: Analysis, changes: Changes, text: str) -> None:
    _keep_settings(closure, entry.view, _last_kept(entry.view, closure))
    definition = next(
        atom for atom in analysis.module.scope.atoms if atom.node is (entry.view.class_node or entry.function)
    )
    closure.keep(definition, analysis.module)
    unused = keep_call(entry, closure, analysis)
    lines = text.encode().split(b"\n")
    for decorator in entry.function.decorator_list:
        if is_grad_mode(decorator, analysis.knowledge):
            continue
        start, end = span(decorator, entry.view.offset)
        start = start[0], lines[start[0] - 1].rindex(b"@", 0, start[1] + 1)
        changes.edits += edit_between(start, end, "", lines)
    if entry.call is None or entry.atom is None:
        changes.appended.append(entry.started)
        return
    changes.replaced[entry.atom] = _awaited(entry, closure)
    for value in unused:
        changes.edits += edit_between(*span(value, entry.atom.offset), "None", lines)


def _awaited(entry: Entry, closure: Closure) -> ast.expr:
    """The call, with what lets a coroutine run: `await main()`, `asyncio.run(main())`."""
    assert entry.atom is not None and entry.call is not None and entry.caller is not None
    if not isinstance(entry.function, ast.AsyncFunctionDef):
        return entry.call
    for node in walk(entry.atom.node):
        if isinstance(node, (ast.Await, ast.Call)) and entry.call in children(node):
            runner = [node.func] if isinstance(node, ast.Call) else []
            for name in sorted(effects(runner).reads):
                closure.need(name, entry.caller, entry.atom.index, entry.atom.blocks)
            return node
    return entry.call


def _last_kept(view: View, closure: Closure) -> int:
    return max((atom.index for atom in view.scope.atoms if atom in closure.kept.atoms), default=-1) + 1


def _keep_settings(closure: Closure, view: View, end: int) -> None:
    """Seeds, default dtypes and the like that stand before the model's last statement."""
    knowledge = closure.knowledge
    for atom in view.scope.atoms[:end]:
        future = isinstance(atom.node, ast.ImportFrom) and atom.node.module == "__future__"
        if future or (is_global_setting(atom, knowledge) and not in_training_loop(atom, knowledge)):
            closure.attempt(lambda atom=atom: closure.keep(atom, view))  # type: ignore[misc]


def _publish(candidate: Candidate, closure: Closure, changes: Changes, local: bool, text: str) -> str:
    """The expression that is the model once the program has run; a function's local becomes a global name."""
    suffix = candidate.use.suffix
    if not local and (candidate.variable is not None or not candidate.atoms[0].blocks):
        return (candidate.variable or ast.unparse(candidate.expression)) + suffix
    name = _free_name(candidate.plain if candidate.variable else "model", closure)
    if candidate.variable is None:
        atom = candidate.atoms[0]
        changes.replaced[atom] = candidate.expression
        start, end = span(candidate.expression, atom.offset)
        changes.edits.append(Edit(start[0], start[1], start[1], f"globals()[{name!r}] = ".encode()))
        return name + suffix
    for atom in candidate.view.scope.atoms:
        rebinds = (
            candidate.root in atom.effects.binds and candidate.atoms[-1].index < atom.index < candidate.end
        )
        if atom in closure.kept.atoms and (atom in candidate.atoms or rebinds) and not branches(atom.node):
            end = span(atom.node, atom.offset)[1]
            addition = f"; globals()[{name!r}] = {candidate.variable}"
            changes.edits.append(Edit(end[0], end[1], end[1], addition.encode()))
    return name + suffix


def _free_name(wanted: str, closure: Closure) -> str:
    """A global name that the kept program does not use for something else."""
    taken = {
        name
        for atom in closure.analysis.module.scope.atoms
        if atom in closure.kept.atoms
        for name in atom.effects.binds
    }
    return wanted if wanted not in taken else _free_name(wanted + "_", closure)

"""Backwards over names: from what must be kept to all that it depends on, in the file and in its
functions."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from functools import partial

from bitlens.source.knowledge import Function
from bitlens.source.slicing.arguments import ALL, declares_argument, destination, is_required, used_attributes
from bitlens.source.slicing.effects import Definition, effects
from bitlens.source.slicing.forbidden import (
    called,
    in_training_loop,
    is_output,
    loads_own_file,
    reason,
    trains,
)
from bitlens.source.slicing.scopes import LOOPS, Atom, Block, dominates, ends_loop, is_main_guard
from bitlens.source.slicing.settings import grad_modes, is_grad_mode
from bitlens.source.slicing.views import Analysis, Kept, Unsliceable, View
from bitlens.source.words import words

_BUILTINS = frozenset(dir(builtins)) | {
    "__name__",
    "__file__",
    "__doc__",
    "__builtins__",
    "__class__",
    "__package__",
}
_NEUTRAL_CONTEXTS = re.compile(r"^(mlflow|wandb|tqdm|torch\.(autograd\.)?profiler|contextlib\.redirect)\b")
_NOT_RUN = words(
    """
    forward training_step validation_step test_step predict_step configure_optimizers train_dataloader
    val_dataloader test_dataloader predict_dataloader fit train_epoch generate sample on_train_start
    on_train_end on_train_epoch_end on_validation_epoch_end on_test_epoch_end prepare_data
    """
)
"""Methods that building a model does not call."""
_SAFE_ROOTS = frozenset({"torch", "math", "typing"})


class Closure:
    """Grows `kept` by all that its atoms depend on."""

    def __init__(self, analysis: Analysis, horizon: int, entries: frozenset[Function] = frozenset()) -> None:
        self.analysis = analysis
        self.knowledge = analysis.knowledge
        self.horizon = horizon
        """Index in the file's scope up to which functions see global names: the place from which they are
        called."""
        self.entries = entries
        """Functions whose kept atoms are chosen one by one."""
        self.kept = Kept()
        self.dropped: list[Unsliceable] = []
        self.refused: set[Atom] = set()
        """Changes that may not run."""

    def attempt(self, action: Callable[[], None]) -> bool:
        """Do `action` whole or not at all; what stood against it goes to `dropped`."""
        against = self._against(action)
        if against is not None:
            self.dropped.append(against)
        return against is None

    def _against(self, action: Callable[[], None]) -> Unsliceable | None:
        """What stands against `action`, which is done whole or not at all."""
        before = self.kept.copy()
        try:
            action()
        except Unsliceable as error:
            self.kept = before
            return error
        return None

    def keep(self, atom: Atom, view: View) -> None:
        """Keep an atom with all that it depends on. Raises Unsliceable."""
        if atom in self.kept.atoms and atom not in self.kept.neutral:
            return
        why = reason(atom, self.knowledge)
        if why is not None:
            raise Unsliceable(atom.line, why)
        self.kept.atoms.add(atom)
        self.kept.neutral.discard(atom)
        for block in atom.blocks:
            self._keep_header(block, view)
        read = atom.effects.reads | atom.effects.stores
        if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef)) and atom.node in self.entries:
            kept = [node for node in atom.node.decorator_list if is_grad_mode(node, self.knowledge)]
            read = effects([atom.node.args, *kept]).reads  # an entry loses its other decorators
        for name in sorted(read):
            self.need(name, view, atom.index, atom.blocks)
        if isinstance(atom.node, Definition):
            self._keep_definition(atom, view)
        elif isinstance(atom.node, LOOPS):
            self._keep_exits(atom, view)

    def _keep_exits(self, loop: Atom, view: View) -> None:
        """Where a loop ends early; one without end of which no `break` may run goes through once."""
        exits = [atom for atom in view.scope.atoms if ends_loop(atom, loop)]
        left = [atom for atom in exits if self._against(partial(self.keep, atom, view)) is None]
        endless = isinstance(loop.node, ast.While) and isinstance(loop.node.test, ast.Constant)
        if endless and not left:
            self.kept.neutral.add(loop)

    def keep_place(self, atom: Atom, view: View) -> None:
        """Keep an atom and the blocks around it, but not what it reads: only a part of it will run."""
        self.kept.atoms.add(atom)
        for block in atom.blocks:
            self._keep_header(block, view)

    def check(self, node: ast.expr, atom: Atom) -> None:
        """Raise Unsliceable if an expression inside `atom` may not run."""
        part = Atom(ast.Expr(node), atom.offset, atom.index, atom.blocks, effects([node]))
        part.node.lineno = node.lineno
        why = reason(part, self.knowledge)
        if why is not None:
            raise Unsliceable(node.lineno + atom.offset, why)

    def _keep_header(self, block: Block, view: View) -> None:
        header = block.header
        if header in self.kept.atoms:
            return
        if self._is_neutral(header):
            self.kept.atoms.add(header)
            self.kept.neutral.add(header)
            for name in sorted(effects(grad_modes(header.node, self.knowledge)).reads):
                self.need(name, view, header.index, header.blocks)
        else:
            self.keep(header, view)

    def _is_neutral(self, header: Atom) -> bool:
        node = header.node
        if is_main_guard(node):
            return True
        if isinstance(node, LOOPS):
            return trains(node, self.knowledge) or reason(header, self.knowledge) is not None
        if isinstance(node, (ast.With, ast.AsyncWith)):
            names = [called(call, self.knowledge) or "" for call in header.effects.calls]
            return (
                any(_NEUTRAL_CONTEXTS.match(name) for name in names)
                or reason(header, self.knowledge) is not None
            )
        return False

    def need(self, name: str, view: View, index: int, blocks: tuple[Block, ...]) -> None:
        """Keep what gives `name` its value at a place. Raises Unsliceable where that may not run."""
        found = list(view.scope.reaching(name, index, blocks, view.touches))
        binders = [atom for atom in found if name in atom.effects.binds]
        for atom in found:
            if name not in atom.effects.binds:
                self._keep_change(atom, view, blocks)
        self._keep_binders(binders, view, blocks)
        if not binders and name not in view.parameters:
            self._need_outside(name, view)

    def keep_change(self, atom: Atom, view: View) -> None:
        """Keep an atom that changes something, if it may run: what it depends on must not come from
        training, nor be a file that the program itself writes."""
        if atom in self.refused:
            return

        def whole() -> None:
            before = set(self.kept.atoms)
            self.keep(atom, view)
            for kept in self.kept.atoms - before:
                if any(
                    loads_own_file(call, self.knowledge, self.analysis.saved) for call in kept.effects.calls
                ):
                    raise Unsliceable(atom.line, "loads what the program itself saves")

        if not self.attempt(whole):
            self.refused.add(atom)

    def _keep_change(self, atom: Atom, view: View, blocks: tuple[Block, ...]) -> None:
        if atom in self.kept.atoms or is_output(atom, self.knowledge):
            return
        if declares_argument(atom):
            self.kept.arguments.append((view, atom))
            return
        if self._of_training(atom, blocks):
            return
        self.keep_change(atom, view)

    def _of_training(self, atom: Atom, blocks: tuple[Block, ...]) -> bool:
        """Whether the atom stands in a training loop that does not hold the place of use too."""
        shared = {block.header for block in blocks}
        return any(
            block.header not in shared
            and isinstance(block.header.node, LOOPS)
            and trains(block.header.node, self.knowledge)
            for block in atom.blocks
        )

    def _keep_binders(self, binders: list[Atom], view: View, blocks: tuple[Block, ...]) -> None:
        """All that may bind the name; one that may not run is left out where another can stand for it."""
        failed: dict[Atom, Unsliceable] = {}
        for atom in reversed(binders):
            if self._of_training(atom, blocks):
                raise Unsliceable(atom.line, "belongs to the training loop")
            against = self._against(partial(self.keep, atom, view))
            if against is not None:
                failed[atom] = against
        surely = binders[-1] if binders and dominates(binders[-1], blocks) else None
        if surely in failed:
            raise failed[surely]
        if failed and len(failed) == len(binders):
            raise failed[binders[0]]

    def _need_outside(self, name: str, view: View) -> None:
        owner = view.scope.owner
        if owner is not None and name.startswith(owner + "."):
            self._need_attribute(name, view)
            return
        if view.parent is not None:
            index = self.horizon if view.parent.scope.node is None else len(view.parent.scope.atoms)
            self.need(name, view.parent, index, ())
            return
        if name in _BUILTINS:
            return
        for atom in view.scope.atoms:
            if isinstance(atom.node, ast.ImportFrom) and any(alias.name == "*" for alias in atom.node.names):
                self.keep(atom, view)

    def _need_attribute(self, name: str, view: View) -> None:
        """What gives `self.x` its value: other methods of the class."""
        if view.class_node is None or view.parent is None:
            return
        attribute = name.split(".", 1)[1]
        for child in view.class_node.body:
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            other = self.analysis.view(child, view.offset, view.parent, view.class_node)
            if child.name == attribute:
                self.kept.emptied.discard(child)
                self._keep_function(child, other)
            elif other is not view and child.name == "__init__":
                own = f"{other.scope.owner}.{attribute}"
                for atom in other.scope.atoms:
                    if own in atom.effects.binds or own in other.touches(atom):
                        self.attempt(partial(self.keep, atom, other))

    def _keep_definition(self, atom: Atom, view: View) -> None:
        for function, class_node in self.analysis.defined_in(atom):
            inner = self.analysis.view(function, atom.offset, view, class_node)
            if function in self.entries:
                self.kept.masked.add(function)
            elif class_node is None:
                self._keep_function(function, inner)
            else:
                self._keep_method(function, inner)

    def _keep_method(self, function: Function, view: View) -> None:
        unused = function.name in _NOT_RUN or self._is_trouble(view)
        in_entry_class = view.class_node is not None and any(
            child in self.entries for child in view.class_node.body
        )
        if not unused and not (in_entry_class and function.name != "__init__"):
            self._keep_function(function, view)
        elif function.name == "forward" and not in_entry_class:
            self._keep_safe_imports(view)
        elif function not in self.kept.masked:
            self.kept.emptied.add(function)

    def _keep_safe_imports(self, view: View) -> None:
        """`forward` does not run, but it stays in the text, and tracing a model would call it."""
        module = self.analysis.module
        read = effects(view.scope.node.body if view.scope.node else []).reads
        for atom in module.scope.atoms[: self.horizon]:
            if isinstance(atom.node, (ast.Import, ast.ImportFrom)) and atom.effects.binds & read:
                names = [
                    (self.knowledge.names.bindings.get(name) or ".").split(".")[0]
                    for name in atom.effects.binds
                ]
                if set(names) <= _SAFE_ROOTS:
                    self.keep(atom, module)

    def _is_trouble(self, view: View) -> bool:
        return any(self._bad(atom) for atom in view.scope.atoms)

    def _bad(self, atom: Atom) -> bool:
        if isinstance(atom.node, Definition) or is_output(atom, self.knowledge):
            return False
        return reason(atom, self.knowledge) is not None

    def _keep_function(self, function: Function, view: View) -> None:
        """A function that kept code calls: whole without its output, or only what its result depends on."""
        if function in self.kept.masked:
            return
        self.kept.masked.add(function)
        self.kept.emptied.discard(function)
        if not self._is_trouble(view):
            for atom in view.scope.atoms:
                if not is_output(atom, self.knowledge):
                    self._keep_whole(atom, view)
            return
        self._keep_results(view)

    def _keep_whole(self, atom: Atom, view: View) -> None:
        self.kept.atoms.add(atom)
        if isinstance(atom.node, Definition):
            self._keep_definition(atom, view)
        for name in sorted(atom.effects.reads | atom.effects.stores):
            if not view.scope.binds(name) and name not in view.parameters:
                self._need_outside(name, view)

    def _keep_results(self, view: View) -> None:
        """Returned values must be had; changes of what the function was given are kept where they can be."""
        outer = {*view.parameters}
        results: list[Atom] = []
        for atom in view.scope.atoms:
            if isinstance(atom.node, ast.Return) or _yields(atom):
                results.append(atom)
            elif not in_training_loop(atom, self.knowledge) and not is_output(atom, self.knowledge):
                binds_outside = any("." in name for name in atom.effects.binds) or isinstance(
                    atom.node, ast.Global
                )
                if binds_outside or view.touches(atom) & outer:
                    self.attempt(partial(self.keep, atom, view))
        for atom in results:
            self.keep(atom, view)

    def settle_arguments(self) -> None:
        """Keep the declarations of those command-line arguments that kept code uses. Raises Unsliceable for a
        required one."""
        while True:
            used = used_attributes(self.kept.atoms)
            wanted = [
                (view, atom) for view, atom in self.kept.arguments if destination(atom) in used or ALL in used
            ]
            wanted = [(view, atom) for view, atom in wanted if atom not in self.kept.atoms]
            if not wanted:
                return
            for view, atom in wanted:
                if is_required(atom):
                    raise Unsliceable(atom.line, f"needs the command-line argument {destination(atom)!r}")
                self.keep(atom, view)


def _yields(atom: Atom) -> bool:
    return isinstance(atom.node, ast.Expr) and isinstance(atom.node.value, (ast.Yield, ast.YieldFrom))

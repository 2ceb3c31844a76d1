"""Backwards over names: from what must be kept to all that it depends on, in the file and in its functions."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bitlens.source.knowledge import Function, Knowledge
from bitlens.source.models import Models
from bitlens.source.slicing.changes import Changes, FunctionChanges
from bitlens.source.slicing.effects import Definition, Effects, effects, parameters
from bitlens.source.slicing.forbidden import (
    called,
    in_training_loop,
    is_output,
    loads_own_file,
    reason,
    saved_paths,
    trains,
)
from bitlens.source.slicing.scopes import LOOPS, Atom, Block, Scope, dominates, is_main_guard, scope_of

_BUILTINS = frozenset(dir(builtins)) | {
    "__name__",
    "__file__",
    "__doc__",
    "__builtins__",
    "__class__",
    "__package__",
}
_NEUTRAL_CONTEXTS = re.compile(
    r"^(mlflow|wandb|tqdm|torch\.(profiler|autograd|inference_mode|no_grad|enable_grad)|contextlib\.redirect)\b"
)
_NOT_RUN = frozenset(
    """
    forward training_step validation_step test_step predict_step configure_optimizers train_dataloader val_dataloader
    test_dataloader predict_dataloader fit train_epoch generate sample on_train_start on_train_end on_train_epoch_end
    on_validation_epoch_end on_test_epoch_end prepare_data
    """.split()
)
"""Methods that building a model does not call."""
_SAFE_ROOTS = frozenset({"torch", "math", "typing"})


class Unsliceable(Exception):
    """Something needed may not run; `line` says where and the message why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(eq=False)
class View:
    """A scope with what is known about it."""

    scope: Scope
    touches: Changes
    variables: dict[str, str]
    """Names that hold models, to their class."""
    parent: View | None = None
    offset: int = 0
    class_node: ast.ClassDef | None = None

    @property
    def parameters(self) -> list[str]:
        """Names of the function's parameters; none for the file."""
        return [] if self.scope.node is None else parameters(self.scope.node.args)


@dataclass
class Analysis:
    """A program's scopes, looked at once and shared by all its slices."""

    knowledge: Knowledge
    body: list[tuple[ast.stmt, int]]
    functions: FunctionChanges = field(default_factory=FunctionChanges)
    _views: dict[ast.AST, View] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.models = Models(self.knowledge)
        scope = scope_of(self.body)
        self.saved = saved_paths((node for node, _ in self.body), self.knowledge)
        self.module = self._view(scope, [node for node, _ in self.body], None, 0)

    def _view(self, scope: Scope, body: list[ast.stmt], parent: View | None, offset: int) -> View:
        variables = self.models.variables(body, {})
        return View(
            scope, Changes(scope, self.knowledge, variables, self.functions), variables, parent, offset
        )

    def view(
        self, function: Function, offset: int, parent: View, class_node: ast.ClassDef | None = None
    ) -> View:
        """The scope of a function's body."""
        if function not in self._views:
            names = parameters(function.args)
            owner = names[0] if class_node is not None and names else None
            scope = scope_of([(node, offset) for node in function.body], function, owner)
            view = self._view(scope, function.body, parent, offset)
            view.class_node = class_node
            self._views[function] = view
        return self._views[function]

    def defined_in(self, atom: Atom) -> Iterator[tuple[Function, ast.ClassDef | None]]:
        """The functions of a definition atom: itself, or the methods of a class."""
        if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield atom.node, None
        elif isinstance(atom.node, ast.ClassDef):
            for child in atom.node.body:
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield child, atom.node


@dataclass
class Kept:
    """What a slice holds: atoms, in all scopes, and how some of them are changed."""

    atoms: set[Atom] = field(default_factory=set)
    neutral: set[Atom] = field(default_factory=set)
    """Headers of loops and contexts that become `if True`."""
    masked: set[Function] = field(default_factory=set)
    """Functions of which only the kept atoms stay."""
    emptied: set[Function] = field(default_factory=set)
    """Methods that nothing calls: their bodies become `pass`."""
    arguments: list[tuple[View, Atom]] = field(default_factory=list)
    """Declarations of command-line arguments that wait until it is known which are used."""

    def copy(self) -> Kept:
        """An independent copy, to come back to."""
        return Kept(
            set(self.atoms), set(self.neutral), set(self.masked), set(self.emptied), list(self.arguments)
        )


class Closure:
    """Grows `kept` by all that its atoms depend on."""

    def __init__(self, analysis: Analysis, horizon: int, entries: frozenset[Function] = frozenset()) -> None:
        self.analysis = analysis
        self.knowledge = analysis.knowledge
        self.horizon = horizon
        """Index in the file's scope up to which functions see global names: the place from which they are called."""
        self.entries = entries
        """Functions whose kept atoms are chosen one by one."""
        self.kept = Kept()
        self.dropped: list[Unsliceable] = []
        self.refused: set[Atom] = set()
        """Changes that may not run."""

    def attempt(self, action: Callable[[], None]) -> bool:
        """Do `action` whole or not at all; what stood against it goes to `dropped`."""
        before = self.kept.copy()
        try:
            action()
        except Unsliceable as error:
            self.kept = before
            self.dropped.append(error)
            return False
        return True

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
            read = effects([atom.node.args]).reads  # an entry loses its decorators
        for name in sorted(read):
            self.need(name, view, atom.index, atom.blocks)
        if isinstance(atom.node, Definition):
            self._keep_definition(atom, view)

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
        """Keep an atom that changes something, if it may run: what it depends on must not come from training, nor be
        a file that the program itself writes."""
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
        if _declares_argument(atom):
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
            before = self.kept.copy()
            try:
                self.keep(atom, view)
            except Unsliceable as error:
                self.kept = before
                failed[atom] = error
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
                        self.attempt(lambda atom=atom, other=other: self.keep(atom, other))  # type: ignore[misc]

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
                self._need_softly(name, view)

    def _need_softly(self, name: str, view: View) -> None:
        """A name that a function reads, if it is ever called: what cannot be had is not asked for."""
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
                    self.attempt(lambda atom=atom: self.keep(atom, view))  # type: ignore[misc]
        for atom in results:
            self.keep(atom, view)

    def settle_arguments(self) -> None:
        """Keep the declarations of those command-line arguments that kept code uses. Raises Unsliceable for a
        required one."""
        while True:
            used = self._used_attributes()
            wanted = [
                (view, atom)
                for view, atom in self.kept.arguments
                if _destination(atom) in used or "**" in used
            ]
            wanted = [(view, atom) for view, atom in wanted if atom not in self.kept.atoms]
            if not wanted:
                return
            for view, atom in wanted:
                if _is_required(atom):
                    raise Unsliceable(atom.line, f"needs the command-line argument {_destination(atom)!r}")
                self.keep(atom, view)

    def _used_attributes(self) -> set[str]:
        """Attributes of command-line arguments that kept atoms read; `**` where all of them are used at once."""
        used: set[str] = set()
        for atom in self.kept.atoms:
            for part in _own_parts(atom):
                for node in ast.walk(part):
                    if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
                        used.add(node.attr)
                    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                        used |= {"**"} if node.func.id == "vars" else _getattr_name(node)
        return used


def _own_parts(atom: Atom) -> list[ast.AST]:
    """The syntax of the atom itself, without its blocks and (for a definition) without its body."""
    if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [*atom.node.decorator_list, atom.node.args]
    if isinstance(atom.node, ast.ClassDef):
        return [child for child in atom.node.body if not isinstance(child, Definition)]
    if isinstance(atom.node, (ast.If, ast.While)):
        return [atom.node.test]
    if isinstance(atom.node, (ast.For, ast.AsyncFor)):
        return [atom.node.iter]
    if isinstance(atom.node, (ast.With, ast.AsyncWith)):
        return list(atom.node.items)
    if isinstance(atom.node, (ast.Try, ast.Match)):
        return []
    return [atom.node]


def _getattr_name(node: ast.Call) -> set[str]:
    if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
        name = node.args[1]
        return {name.value} if isinstance(name, ast.Constant) and isinstance(name.value, str) else {"**"}
    return set()


def _yields(atom: Atom) -> bool:
    return isinstance(atom.node, ast.Expr) and isinstance(atom.node.value, (ast.Yield, ast.YieldFrom))


def _declares_argument(atom: Atom) -> bool:
    value = atom.node.value if isinstance(atom.node, ast.Expr) else None
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "add_argument"
    )


def _argument_call(atom: Atom) -> ast.Call:
    assert isinstance(atom.node, ast.Expr) and isinstance(atom.node.value, ast.Call)
    return atom.node.value


def _destination(atom: Atom) -> str | None:
    """The attribute under which argparse stores the argument."""
    call = _argument_call(atom)
    for keyword in call.keywords:
        if keyword.arg == "dest" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    long = [flag for flag in flags if flag.startswith("--")] or flags
    return long[0].lstrip("-").replace("-", "_") if long else None


def _is_required(atom: Atom) -> bool:
    call = _argument_call(atom)
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if flags and flags[0].startswith("-"):
        required = options.get("required")
        return isinstance(required, ast.Constant) and bool(required.value)
    count = options.get("nargs")
    return not (isinstance(count, ast.Constant) and count.value in ("?", "*"))


def reads_of(node: ast.AST) -> Effects:
    """What an expression reads, for selections and call arguments."""
    return effects([node])

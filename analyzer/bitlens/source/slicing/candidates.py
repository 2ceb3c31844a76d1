"""The models that a file builds: which expression, in which scope, under which name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from bitlens.source.knowledge import Function
from bitlens.source.library_models import ModelUse
from bitlens.source.slicing.effects import COMPREHENSIONS, Definition, bound_names, effects
from bitlens.source.slicing.scopes import LOOPS, Atom, exclusive
from bitlens.source.slicing.views import Analysis, View
from bitlens.source.tree import children
from bitlens.source.words import words


@dataclass(eq=False)
class Candidate:
    """One model: the atoms that bind it (several where branches exclude each other) and how long it lasts."""

    view: View
    variable: str | None
    """The name or chain that gets it; None for an expression that nothing binds."""
    atoms: list[Atom]
    use: ModelUse
    expression: ast.expr
    end: int
    """Index of the atom that gives the variable to another model; the count of atoms where none does."""
    part: bool = False
    """Handed to the constructor of another model of the file."""
    name: str = field(default="")

    @property
    def line(self) -> int:
        """The line of the expression."""
        return self.expression.lineno + self.atoms[0].offset

    @property
    def root(self) -> str | None:
        """The name to follow: the variable, `self.x` in a method, the first name of any other chain."""
        parts = (self.variable or "").split(".")
        return ".".join(parts[: 2 if parts[0] == self.view.scope.owner else 1]) or None

    @property
    def plain(self) -> str:
        """The variable's own name: `model` of `self.model`."""
        if self.variable is None:
            return self.use.class_name.rsplit(".", 1)[-1]
        element = (
            self.use.suffix
            if isinstance(self.expression, ast.Call) and self.use.suffix.startswith("[")
            else ""
        )
        return self.variable.rsplit(".", 1)[-1] + element


def candidates(analysis: Analysis) -> list[Candidate]:
    """Every model that the file builds, by line."""
    found: list[Candidate] = []
    for view in _views(analysis):
        found += _of_view(analysis, view)
    found = [candidate for candidate in found if candidate.use.kind != "external"]
    found.sort(key=lambda candidate: (candidate.line, candidate.expression.col_offset))
    _mark_parts(found)
    _give_names(found)
    return found


def _views(analysis: Analysis) -> Iterator[View]:
    yield analysis.module
    for atom in analysis.module.scope.atoms:
        for function, class_node in analysis.defined_in(atom):
            if class_node is None:
                wanted = _is_entry(function, analysis)
            else:
                wanted = not analysis.knowledge.is_module(class_node.name)
            if wanted:
                yield analysis.view(function, atom.offset, analysis.module, class_node)


def _is_entry(function: Function, analysis: Analysis) -> bool:
    """A function that the program runs, not one that builds parts for classes and other functions."""
    if analysis.models.returned(function.name):
        return False
    return _called_from(function.name, analysis) != "parts"


def _called_from(name: str, analysis: Analysis) -> str:
    """Whether a function is called by the program's flow (`flow`), only by classes and factories (`parts`),
    or
    `never`."""
    places = set()
    for atom in analysis.module.scope.atoms:
        if not isinstance(atom.node, Definition):
            if any(_calls(call, name) for call in atom.effects.calls):
                return "flow"
            continue
        if name not in atom.effects.deferred | atom.effects.reads:
            continue
        is_function = isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef))
        factory = is_function and bool(analysis.models.returned(atom.node.name))
        places.add("flow" if is_function and not factory else "parts")
    return "flow" if "flow" in places else "parts" if places else "never"


def _calls(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


def _of_view(analysis: Analysis, view: View) -> list[Candidate]:
    found: list[Candidate] = []
    for atom in view.scope.atoms:
        if isinstance(atom.node, (ast.Assign, ast.AnnAssign)):
            bound = list(_bound(analysis, view, atom, found))
            found += bound
            if bound or _rebinds(analysis, view, atom):
                continue
        if isinstance(atom.node, (ast.Assign, ast.AnnAssign, ast.Expr)) and atom.node.value is not None:
            found += _unbound(analysis, view, atom, atom.node.value)
    for candidate in found:
        candidate.end = _end(candidate, found, view)
    return found


def _bound(analysis: Analysis, view: View, atom: Atom, earlier: list[Candidate]) -> Iterator[Candidate]:
    so_far = {other.variable: other.use.class_name for other in earlier if other.variable is not None}
    for target, value, use in analysis.models.bound(atom.node, {**view.variables, **so_far}):
        if _is_same_model(value, use, target) or _is_part(target, view):
            continue
        twin = next(
            (c for c in earlier if c.variable == target and exclusive(c.atoms[0].blocks, atom.blocks)), None
        )
        if twin is not None:
            twin.atoms.append(atom)
        else:
            yield Candidate(view, target, [atom], use, value, len(view.scope.atoms))


def _is_same_model(value: ast.expr, use: ModelUse, target: str) -> bool:
    """`model = model.half()` gives a model back to its own variable."""
    if use.kind not in {"method", "copy"}:
        return False
    inner = value
    while isinstance(inner, ast.Call):
        inner = (
            inner.func.value
            if isinstance(inner.func, ast.Attribute)
            else (inner.args or [ast.Constant(None)])[0]
        )
    return isinstance(inner, (ast.Name, ast.Attribute)) and ast.unparse(inner) == target


def _is_part(target: str, view: View) -> bool:
    """`model.fc = nn.Linear(…)` changes a model that has a name already."""
    parts = target.split(".")
    if len(parts) > 1 and view.scope.node is not None and parts[0] != view.scope.owner:
        return True
    return any(".".join(parts[:count]) in view.variables for count in range(1, len(parts)))


def _rebinds(analysis: Analysis, view: View, atom: Atom) -> bool:
    return any(True for _ in analysis.models.bound(atom.node, view.variables))


def _unbound(analysis: Analysis, view: View, atom: Atom, value: ast.expr) -> Iterator[Candidate]:
    """Model expressions inside others: `print(Net())`, `train(Net())`, `{"small": Net()}`, `main()`."""
    waiting: list[tuple[ast.AST, frozenset[str]]] = [] if _collects(value) else [(value, frozenset())]
    while waiting:
        node, own = waiting.pop(0)
        if isinstance(node, ast.Lambda):
            continue
        use = analysis.models.use(node, view.variables) if isinstance(node, ast.Call) else None
        if use is None:
            if isinstance(node, COMPREHENSIONS):
                own |= {name for part in node.generators for name in bound_names([part.target])}
            waiting += [(child, own) for child in children(node)]
        elif use.kind in _BUILDING and own.isdisjoint(effects([node], view.scope.owner).reads):
            yield Candidate(view, None, [atom], use, node, atom.index + 1)  # type: ignore[arg-type]


def _collects(value: ast.expr) -> bool:
    """`layers.append(nn.Linear(…))`, `setattr(block, "norm", …)`: a part of something else."""
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", None)
    return name in _COLLECTING


_BUILDING = words("constructor pretrained library factory")
_COLLECTING = words("append extend insert add update add_module register_module setdefault setattr")


def _end(candidate: Candidate, found: list[Candidate], view: View) -> int:
    """Where another model takes the variable, or this one is converted in place under another name."""
    if candidate.variable is None:
        return candidate.end
    last = max(atom.index for atom in candidate.atoms)
    later = [len(view.scope.atoms)]
    for other in found:
        converted = other.use.kind == "conversion" and candidate.variable in view.touches(other.atoms[0])
        if converted or other.variable == candidate.variable:
            later += [atom.index for atom in other.atoms if atom.index > last]
    return min(later)


def _mark_parts(found: list[Candidate]) -> None:
    """Encoder and decoder that are handed to the constructor of a model are parts of it."""
    for candidate in found:
        first = candidate.atoms[0]
        collected = isinstance(getattr(first.node, "value", None), COMPREHENSIONS)
        names = first.effects.binds if collected else {candidate.variable}
        for other in found:
            if (
                other is not candidate
                and other.view is candidate.view
                and other.use.kind in {"constructor", "factory"}
                and first.index < other.atoms[0].index
                and (collected or other.atoms[0].index < candidate.end)
            ):
                reads = effects([other.expression], candidate.view.scope.owner).reads
                candidate.part |= not names.isdisjoint(reads)


def _give_names(found: list[Candidate]) -> None:
    """The variable's name; with the line where several models share it."""
    for candidate in found:
        shared = [other for other in found if other.plain == candidate.plain]
        candidate.name = candidate.plain if len(shared) == 1 else f"{candidate.plain}:{candidate.line}"


def in_loop(candidate: Candidate) -> set[Atom]:
    """The loops inside which the model is built."""
    blocks = [block for atom in candidate.atoms for block in atom.blocks]
    return {block.header for block in blocks if isinstance(block.header.node, LOOPS)}

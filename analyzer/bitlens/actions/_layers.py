"""The layers that the lines at a place construct: their module paths, as measured or as the source alone
says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bitlens.analysis import Analysis, Placed
from bitlens.editing.code import Bound, Code, Region, chained
from bitlens.editing.completing import switched
from bitlens.editing.offers import Span
from bitlens.source.slicing.scopes import Atom, exclusive
from bitlens.source.torch_names import WITH_PARAMETERS


@dataclass(frozen=True, eq=False)
class LayerCall:
    """A call in a module's class that constructs a layer of torch.nn with parameters."""

    region: Region
    atom: Atom
    call: ast.Call
    type: str


def layer_calls(code: Code, span: Span) -> Iterator[LayerCall]:
    """The layers that are constructed at a place: each call on the lines of `span`."""
    for region, atom, call in code.calls(span):
        name = code.meaning(call.func)
        in_module = region.class_name is not None and code.knowledge.is_module(region.class_name)
        if in_module and name.startswith("torch.nn.") and name.rpartition(".")[2] in WITH_PARAMETERS:
            where = code.span(call, atom)
            if where.line <= span.end_line and span.line <= where.end_line:
                yield LayerCall(region, atom, call, name.rpartition(".")[2])


def measured_paths(analysis: Analysis, line: int) -> tuple[tuple[str, ...], Placed] | None:
    """The module paths that a line (from 1) constructs in the newest model that knows the line."""
    for entry in analysis.lines.get(line, ()):
        paths = tuple(layer.path for layer in entry.numbers.layers if layer.path)
        if paths:
            return paths, entry.placed
    return None


def static_path(layer: LayerCall, bound: Bound, place: Atom) -> str | None:
    """The path by syntax, of a layer of the very class of the model that the variable holds at `place`."""
    if _is_wrapped(bound, place):
        return None
    name, owner = attribute(layer), layer.region.scope.owner
    of_model = bound.use.class_name.rpartition(".")[2] == layer.region.class_name
    if not of_model or name is None or owner is None or not name.startswith(owner + "."):
        return None
    return name.removeprefix(owner + ".")


def _is_wrapped(bound: Bound, place: Atom) -> bool:
    """Whether the variable gets something else before a place is over: `model = DataParallel(model)`, whose
    layers have other paths.
    """
    between = bound.region.atoms[bound.atom.index + 1 : bound.region.subtree(place)[-1].index + 1]
    return any(
        bound.variable in atom.effects.binds and not _keeps(bound, atom)
        for atom in between
        if not exclusive(atom.blocks, bound.atom.blocks)
    )


def _keeps(bound: Bound, atom: Atom) -> bool:
    """Whether a statement gives the variable such a model again, or itself: `model = model.to(device)`."""
    if isinstance(atom.node, ast.Assign) and switched(atom.node.value) == bound.variable:
        return True
    same = (other for other in bound.region.bound if other.use.class_name == bound.use.class_name)
    return any(other.atom is atom for other in same)


def attribute(layer: LayerCall) -> str | None:
    """`self.fc` of `self.fc = nn.Linear(…)`, `self.mlp.0` of an item of a Sequential; None elsewhere."""
    if not isinstance(layer.atom.node, ast.Assign):
        return None
    target = chained(layer.atom.node.targets[0])
    inner = _inside(layer.atom.node.value, layer.call)
    return None if target is None or inner is None else target + inner


def _inside(node: ast.expr, call: ast.Call) -> str | None:
    """`.0.1` for a call that stands in nested Sequentials; empty for the whole value."""
    if node is call:
        return ""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
        "Sequential",
        "ModuleList",
    }:
        items = (
            node.args[0].elts
            if len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple))
            else node.args
        )
        if any(isinstance(item, ast.Starred) for item in items):
            return None
        for position, item in enumerate(items):
            inner = _inside(item, call)
            if inner is not None:
                return f".{position}{inner}"
    return None

"""Where a model is complete: loaded, placed, switched, and not yet used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bitlens.editing.acts import covers
from bitlens.editing.code import Bound, Code, Region, chained
from bitlens.source.libraries import CHAINED
from bitlens.source.slicing.effects import root_variable
from bitlens.source.slicing.scopes import Atom, dominates, is_main_guard
from bitlens.source.words import words

_HARMLESS = words(
    """
    print len str repr type isinstance id sum any all next list dict min max getattr hasattr format display
    dir vars map filter sorted zip enumerate iter
    """
)
_READING = words(
    """
    parameters named_parameters buffers named_buffers modules named_modules children named_children
    state_dict num_parameters get_memory_footprint get_submodule get_parameter extra_repr items keys values
    numel element_size
    """
)
_COMPLETING = re.compile(
    r"^_?(load|set|init|reset|resize|tie|to|half|float|double|bfloat16|cuda|cpu|mps|eval|train|apply|requires_grad"
    r"|merge|add|register|enable|disable|gradient_checkpointing|post_init|fuse|freeze|unfreeze|copy|fill|xavier|kaiming"
    r"|normal|uniform|zeros|ones|constant)(?![a-z])|[a-z]_$"
)
"""First words of methods and functions that finish a model: they load, place, convert or switch it."""
_CHANGING = re.compile(
    r"^_?(load|restore|resume|resize|tie|merge|fuse|replace|inflate|convert)(?![a-z])|^_?(re)?init$"
    r"|(?<!get)(?<!from)_(state_dict|checkpoint|weights|params|parameters|pretrained)$"
)
"""Names of what gives a model other weights or layers; quantized ones lose that without a word."""
_SAVING = re.compile(
    r"^_?(save|get|named|count|clip|filter|split|group|print|log|dump|export|check|test|eval|compare|plot)"
)
_CAST = re.compile(r"dtype|float|half|double|precision")
_CASTS = words("half bfloat16 double float")
_PLAIN = re.compile(
    r"(^|_)(config|cfg|sizes?|dims?|device|dtype|shape|names?|training|stride|padding|weight|bias|data)$"
    r"|^(in|out|num|n)_\w+$"
)
"""Attributes that are no modules."""


def complete(code: Code, bound: Bound) -> Atom:
    """The statement after which a model is complete: before it is used, but never before it is loaded, cast,
    copied or given other layers, which quantized weights do not survive.
    """
    region, place, level = bound.region, bound.atom, bound.atom
    used, names = False, {bound.variable}
    while True:
        for sibling in region.siblings(level):
            if _binds(sibling, bound.variable) and not _mentions(region, sibling, bound.variable):
                return place
            inside = region.subtree(sibling)
            kinds = {_kind(code, region, atom, bound.variable) for atom in inside}
            used = used or "use" in kinds
            completes = "completes" in kinds or _sets_parts(inside, bound.variable)
            if (completes and not used) or any(
                _changes(code, region, atom, name) for atom in inside for name in names
            ):
                place = sibling
            names |= {name for atom in inside for name in _other_names(atom, names)}
        parent = level.blocks[-1].header if level.blocks else None
        if parent is None or not _goes_on(region, level, parent, bound.variable):
            return place
        level = parent
        place = place if used else parent


def _sets_parts(inside: list[Atom], model: str) -> bool:
    """Whether loops over the parts of a model change them: `for p in model.parameters(): p.copy_(…)`."""
    names = {name for atom in inside if _is_over(atom, model) for name in atom.effects.binds}
    return any(
        not names.isdisjoint(atom.effects.stores) or any(_sets(call, names) for call in atom.effects.calls)
        for atom in inside
    )


def _is_over(atom: Atom, model: str) -> bool:
    items = atom.node.iter if isinstance(atom.node, ast.For) else None
    method = items.func if isinstance(items, ast.Call) else None
    return isinstance(method, ast.Attribute) and method.attr in _READING and chained(method.value) == model


def _sets(call: ast.Call, names: set[str]) -> bool:
    return called(call.func).endswith("_") and any(
        root_variable(value) in names for value in [call.func, *call.args]
    )


def is_used(code: Code, bound: Bound) -> bool:
    """Whether anything runs the model, or gets it to do so: behind the statement that makes it, or in a
    function, which may be called then wherever it stands.
    """
    names = {other.variable for other in bound.region.bound if other.value is bound.value}
    atoms, later = bound.region.atoms, bound.region.atoms[bound.atom.index + 1 :]
    return any(
        "." in name
        or any(_is_shared(atom, name) for atom in atoms)
        or any(_kind(code, bound.region, atom, name) == "use" for atom in later)
        for name in names
    )


def _is_shared(atom: Atom, name: str) -> bool:
    """Whether a function that the statement defines reads the variable, or an outer scope holds it."""
    outer = isinstance(atom.node, (ast.Global, ast.Nonlocal)) and name in atom.node.names
    return outer or name in atom.effects.deferred


def _goes_on(region: Region, inner: Atom, parent: Atom, model: str) -> bool:
    """Whether the model outlives the block in which it was made, and holds one whichever branch has run."""
    if not isinstance(parent.node, (ast.If, ast.With, ast.AsyncWith, ast.Try)) or is_main_guard(parent.node):
        return False
    mine = inner.blocks[-1]
    elsewhere = [a for a in region.subtree(parent) if a is not parent and mine not in a.blocks]
    later = [a for a in region.atoms[parent.index + 1 :] if not a.inside(parent)]
    bound = [a for a in elsewhere if _binds(a, model)]
    if any(_is_none(a) for a in bound) or not (bound or any(_mentions(region, a, model) for a in later)):
        return False
    if isinstance(parent.node, (ast.With, ast.AsyncWith)) or bound:
        return True
    if isinstance(parent.node, ast.If) and _root(region, model) in parent.effects.reads:
        return True  # if model is None: model = ...
    earlier = [a for a in region.atoms[: parent.index] if _binds(a, model) and dominates(a, parent.blocks)]
    if earlier:
        return not _is_none(earlier[-1])
    sure = any(_mentions(region, a, model) and dominates(a, parent.blocks) for a in later)
    return sure or model in region.parameters


def _binds(atom: Atom, model: str) -> bool:
    targets = getattr(atom.node, "targets", None) or [getattr(atom.node, "target", None)]
    return any(chained(target) == model for target in targets)


def _is_none(atom: Atom) -> bool:
    value = getattr(atom.node, "value", None)
    return isinstance(value, ast.Constant) and value.value is None


def _mentions(region: Region, atom: Atom, model: str) -> bool:
    names = atom.effects.reads | atom.effects.stores | atom.effects.deferred
    return _root(region, model) in names


def _root(region: Region, model: str) -> str:
    parts = model.split(".")
    return ".".join(parts[: 2 if parts[0] == region.scope.owner else 1])


def _other_names(atom: Atom, names: set[str]) -> Iterator[str]:
    """Variables that get the model under another name, or what a class or `compile` wraps around it."""
    node = atom.node
    if not isinstance(node, ast.Assign):
        return
    value = node.value
    if isinstance(value, ast.Call) and value.args and re.search(r"^[A-Z]|compile$", called(value.func)):
        value = value.args[0]
    if isinstance(value, ast.Attribute) and value.attr == "module":
        value = value.value
    if chained(value) in names:
        yield from (name for target in node.targets if (name := chained(target)))


def _kind(code: Code, region: Region, atom: Atom, model: str) -> str:
    """What a statement does with a model: `completes` it, `use`s it, or nothing that matters."""
    if not _mentions(region, atom, model):
        return "use" if _binds(atom, model) else ""
    if isinstance(
        atom.node, (ast.Return, ast.Raise, ast.Global, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    ):
        return "use"
    calls = [_call_kind(region, call, model) for call in atom.effects.calls]
    if "use" in calls:
        return "use"
    if _root(region, model) in atom.effects.stores or "completes" in calls:
        return "completes"
    if isinstance(atom.node, ast.Assign) and any(chained(part) == model for part in _values(atom.node.value)):
        return "use"  # another name for the model, or a place in a container
    return ""


def _values(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return node.elts
    return [value for value in node.values if value] if isinstance(node, ast.Dict) else [node]


def _call_kind(region: Region, call: ast.Call, model: str) -> str:
    root = _root(region, model)
    func = call.func
    if chained(func) == model:
        return "use"
    if isinstance(func, ast.Attribute) and root_variable(func.value, region.scope.owner) == root:
        return "" if func.attr in _READING else "completes" if _COMPLETING.search(func.attr) else "use"
    name = called(func)
    given = call.args if name.endswith("_") else _given(call)  # nn.init.zeros_(model.fc.weight)
    if not any(root_variable(value, region.scope.owner) == root for value in given):
        return ""
    if name in _HARMLESS or "log" in name or "summary" in name or "size" in name or "count" in name:
        return ""
    return "completes" if _COMPLETING.search(name) else "use"


def called(func: ast.expr) -> str:
    """The last name of what is called."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _given(call: ast.Call) -> list[ast.expr]:
    """What a call is given, numbers and weights that are read from a model left out."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return [node for node in given if not (isinstance(node, ast.Attribute) and _PLAIN.search(node.attr))]


def _changes(code: Code, region: Region, atom: Atom, model: str, deep: bool = True) -> bool:
    """Whether a statement does what must come before the weights are quantized."""
    if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    if isinstance(atom.node, ast.Assign) and any(
        chained(target) != model and root_variable(target, region.scope.owner) == _root(region, model)
        for target in atom.node.targets
        if isinstance(target, (ast.Attribute, ast.Subscript))
    ):
        return _is_module(code, region, atom.node.value)
    return any(_call_changes(code, region, call, model, deep) for call in atom.effects.calls)


def _is_module(code: Code, region: Region, value: ast.expr) -> bool:
    if chained(value) is not None:
        name = chained(value) or ""
        return name in region.variables or name.endswith((".weight", ".bias"))
    return code.models.use(value, region.variables) is not None


def _call_changes(code: Code, region: Region, call: ast.Call, model: str, deep: bool) -> bool:
    func, name = call.func, called(call.func)
    if isinstance(func, ast.Attribute):
        owner = switched(func.value)
        if owner is not None and covers(model, owner) and not _PLAIN.search(owner.rpartition(".")[2]):
            return _method_changes(call, name)
        if name == "load_state_dict" and any(_module_of_state(value) == model for value in _given(call)):
            return True
        if deep and owner == region.scope.owner and region.class_name is not None:
            return _method_inside_changes(code, region, name, model)
    given = [chained(value) for value in _given(call)]
    if not any(value is not None and covers(model, value) for value in given):
        return False
    if code.meaning(func) == "copy.deepcopy" or name == "setattr":
        return True
    if deep and (inner := _parameter(code, call, model)) is not None:
        return any(_changes(code, inner[0], atom, inner[1], False) for atom in inner[0].atoms)
    return _CHANGING.search(name) is not None and not _SAVING.search(name)


def _method_changes(call: ast.Call, name: str) -> bool:
    given = " ".join(ast.unparse(value) for value in _given(call))
    if name == "to":
        return _CAST.search(given) is not None
    if name in _CASTS:
        return not given
    return (
        name == "share_memory"
        or (name == "apply" and "init" in given)
        or (_CHANGING.search(name) is not None and not _SAVING.search(name))
    )


def switched(node: ast.expr) -> str | None:
    """The chain that `model.encoder.to(device)` is about: `model.encoder`."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHAINED:
        node = node.func.value
    return chained(node)


def _module_of_state(node: ast.expr) -> str | None:
    """`model` of `model.state_dict()`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "state_dict":
        return chained(node.func.value)
    return None


def _method_inside_changes(code: Code, region: Region, method: str, model: str) -> bool:
    """Whether another method of the class, which is called here, changes the model."""
    others = (r for r in code.regions if r.class_name == region.class_name and r is not region)
    return any(
        _changes(code, other, atom, model, False)
        for other in others
        if other.name.rpartition(".")[2] == method
        for atom in other.atoms
    )


def _parameter(code: Code, call: ast.Call, model: str) -> tuple[Region, str] | None:
    """The local function that a call is about, and the parameter that gets the model."""
    name = chained(call.func)
    region = next((r for r in code.regions if r.name == name and r.class_name is None), None)
    if region is None:
        return None
    for position, value in enumerate(call.args):
        if chained(value) == model and position < len(region.parameters):
            return region, region.parameters[position]
    return next(((region, k.arg) for k in call.keywords if chained(k.value) == model and k.arg), None)

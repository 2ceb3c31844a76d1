"""Keep a layer out of training: `requires_grad_(False)`.

Offered on a line of a module's class that constructs a layer, unless it is all that a model has. Appends
`.requires_grad_(False)` to the expression, which gives the layer itself back, so it works in a list or a
Sequential too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.actions._action import Action, rewrite
from bitlens.actions._layers import LayerCall, attribute, layer_calls
from bitlens.analysis import Analysis
from bitlens.editing.code import Code, chained
from bitlens.editing.offers import Offer, Span, TextEdit
from bitlens.source.torch_names import CONTAINERS, WITHOUT_PARAMETERS


def _offers(_: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    for layer in layer_calls(code, span):
        if not _frozen(layer) and not _is_all(code, layer):
            yield _offer(code, layer)


def _offer(code: Code, layer: LayerCall) -> Offer:
    end = code.end(layer.call, layer.atom)
    name = attribute(layer) or layer.type
    edit = TextEdit(end, end, ".requires_grad_(False)")
    return rewrite("freeze-layer", f"Freeze `{name}` for training", lambda: (edit,))


def _frozen(layer: LayerCall) -> bool:
    """Whether the expression goes on with `requires_grad_`, or a statement of the method says it of the
    layer.
    """
    for outer in layer.atom.effects.calls:
        if (
            isinstance(outer.func, ast.Attribute)
            and outer.func.attr == "requires_grad_"
            and outer.func.value is layer.call
        ):
            return True
    targets = {chained(target) for target in getattr(layer.atom.node, "targets", [])} - {None}
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "requires_grad_"
        and chained(call.func.value) in targets
        for atom in layer.region.atoms
        for call in atom.effects.calls
    )


def _is_all(code: Code, layer: LayerCall) -> bool:
    """Whether a model that the file builds has nothing else to train, so that `backward` would raise."""
    name = layer.region.class_name
    if not any(bound.use.class_name == name for bound in code.bound):
        return False
    regions = (region for region in code.regions if region.class_name == name)
    calls = (call for region in regions for atom in region.atoms for call in atom.effects.calls)
    return not any(call is not layer.call and _is_trained(code, call) for call in calls)


def _is_trained(code: Code, call: ast.Call) -> bool:
    made = code.meaning(call.func)
    if made.startswith("torch.nn.") and made.rpartition(".")[2] in WITHOUT_PARAMETERS | CONTAINERS:
        return False
    return made == "torch.nn.Parameter" or code.models.use(call, {}) is not None


ACTION = Action("freeze-layer", _offers)

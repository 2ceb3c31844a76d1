"""Quantize a model with quanto.

Offered on a statement that gives a model to a variable, once for each of qint8, qint4 and qfloat8, unless the
scope quantizes the model already, or the file has layers that do not survive it: a kind of `Linear` or
`Conv2d` with a `forward` of its own, a quantized one of bitsandbytes, or a `Linear` without bias whose output
is changed in place. Inserts `quantize(model, weights=…)` and `freeze(model)` where the model is complete
(after `load_state_dict`, `to`, `eval` and the like) and not yet used, and imports what they need.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from bitlens.actions._action import Action, bound_at, rewrite
from bitlens.analysis import Analysis
from bitlens.editing import placing
from bitlens.editing.acts import QUANTO, acts
from bitlens.editing.code import Bound, Code, argument
from bitlens.editing.completing import complete
from bitlens.editing.importing import spelled
from bitlens.editing.offers import Offer, Span, TextEdit
from bitlens.source.slicing.scopes import exclusive
from bitlens.source.torch_names import WITH_PARAMETERS

FORMATS = {"qint8": "int8", "qint4": "int4", "qfloat8": "float8"}
_KINDS = {"constructor", "pretrained", "library", "file", "factory", "method", "copy"}
_COMPOSED = {
    "Transformer",
    "TransformerEncoder",
    "TransformerDecoder",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
}


def _offers(_: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    for bound in bound_at(code, span) if not quanto_breaks(code) else ():
        if is_module(code, bound) and not is_quantized(code, bound):
            for name, title in FORMATS.items():
                yield _offer(code, bound, name, title)


def _offer(code: Code, bound: Bound, name: str, title: str) -> Offer:
    text = f"Quantize `{bound.variable}` to {title} with quanto"
    return rewrite(f"quantize.{name}", text, lambda: quantized(code, bound, name))


def quanto_breaks(code: Code) -> bool:
    """Whether the file's layers do not survive quanto: it takes their own `forward` from them, which those of
    bitsandbytes have too, and what its `Linear` without bias gives back cannot be changed in place while
    gradients are recorded.
    """
    own = any(
        {code.meaning(base) for base in node.bases} & {"torch.nn.Linear", "torch.nn.Conv2d"}
        and any(isinstance(child, ast.FunctionDef) and child.name == "forward" for child in node.body)
        for node in code.knowledge.classes.values()
    )
    return own or any(_breaks(code, call) for _, _, call in code.calls())


def _breaks(code: Code, call: ast.Call) -> bool:
    return code.meaning(call.func).startswith("bitsandbytes.nn.Linear") or bool(changed_in_place(code, call))


def changed_in_place(code: Code, sequence: ast.Call) -> list[ast.expr]:
    """The layers of a sequence that have no bias, and behind which a function works in place."""
    return [layer for layer, following in pairwise(sequence.args) if _is_changed(code, layer, following)]


def _is_changed(code: Code, layer: ast.expr, following: ast.expr) -> bool:
    if not isinstance(layer, ast.Call) or not isinstance(following, ast.Call):
        return False
    no_bias = _is(argument(layer, "bias", 2), False)
    in_place = _is(argument(following, "inplace", 0), True)
    return code.meaning(layer.func) == "torch.nn.Linear" and no_bias and in_place


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def is_whole_model(code: Code, bound: Bound) -> bool:
    """Whether the variable holds what quanto can convert: no bare layer, no part of a module's class."""
    if bound.use.kind not in _KINDS or bound.use.suffix not in ("", ".model"):
        return False
    if not all(part.isidentifier() for part in bound.variable.split(".")):
        return False  # layers[i].fc: what is done to it cannot be followed
    name = bound.use.class_name.removeprefix("torch.nn.")
    if bound.use.class_name.startswith("torch.nn.") and name in WITH_PARAMETERS - _COMPOSED:
        return False
    owner, method = bound.region.class_name, bound.region.name.rpartition(".")[2]
    part = "." in bound.variable or method == "__init__"
    return not (owner is not None and code.knowledge.is_module(owner) and part)


def is_module(code: Code, bound: Bound) -> bool:
    """Whether quanto takes the variable: a whole model, and no pipeline that holds some."""
    pipeline = bound.use.class_name.endswith("Pipeline") and not bound.use.suffix
    return is_whole_model(code, bound) and not pipeline


def is_quantized(code: Code, bound: Bound) -> bool:
    """Whether the model is loaded quantized, or the scope quantizes it or has a function freeze it, before it
    gives the variable another one.
    """
    if argument_deep(bound, "quantization_config"):
        return True
    model = reached(bound)
    for act in acts(code, bound.region):
        if act.atom.index > bound.atom.index and not exclusive(act.atom.blocks, bound.atom.blocks):
            if act.kind == "bind" and act.model == bound.variable and _is_new(code, bound, act.atom):
                return False
            if act.kind in {"quantize", "freeze"} and act.model in {model, bound.variable}:
                return True
    return False


def _is_new(code: Code, bound: Bound, atom: object) -> bool:
    kinds = {b.use.kind for b in code.bound if b.atom is atom and b.variable == bound.variable}
    return bool(kinds & {"constructor", "pretrained", "library", "file", "factory"})


def argument_deep(bound: Bound, name: str) -> bool:
    """Whether the expression that builds the model, or a call in its chain, is given an argument."""
    calls = (node for node in ast.walk(bound.value) if isinstance(node, ast.Call))
    return any(argument(call, name) is not None for call in calls)


def reached(bound: Bound) -> str:
    """The module that the variable holds: itself, or `pipe.model` of a pipeline."""
    return bound.variable + bound.use.suffix


def quantized(code: Code, bound: Bound, name: str, include: str | None = None) -> tuple[TextEdit, ...]:
    """The edit that quantizes and freezes a model; nothing where the functions' names are all taken."""
    place = complete(code, bound)
    spelling = spelled(code, bound.region, place, QUANTO, ["freeze", name, "quantize"])
    if spelling is None:
        return ()
    names, model = spelling.names, reached(bound)
    only = f", include={include}" if include else ""
    lines = f"{names['quantize']}({model}, weights={names[name]}{only})", f"{names['freeze']}({model})"
    return (*spelling.edits, placing.after(code, place, *lines))


ACTION = Action("quantize", _offers)

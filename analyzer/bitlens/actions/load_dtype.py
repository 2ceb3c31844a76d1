"""Load or build a model in bfloat16 or float16.

Offered on a statement that gives a model to a variable. `from_pretrained` of transformers gets `dtype=` (its
old name `torch_dtype` is renamed), that of diffusers gets `torch_dtype=`; any other expression gets
`.to(torch.bfloat16)`. Not offered where the expression or a later statement of the scope gives the model that
dtype already, nor for a model that is quantized.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.actions._action import Action, bound_at, rewrite
from bitlens.actions.quantize_model import is_quantized, is_whole_model
from bitlens.analysis import Analysis
from bitlens.editing.acts import acts, cast_to, dtype_named
from bitlens.editing.arguments import changed, rename_keyword, set_keyword
from bitlens.editing.code import Bound, Code, argument
from bitlens.editing.importing import torch_name
from bitlens.editing.offers import Offer, Span, TextEdit
from bitlens.source.libraries import LOADERS

DTYPES = ("bfloat16", "float16")


def _offers(_: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    for bound in bound_at(code, span):
        if is_whole_model(code, bound) and not is_quantized(code, bound):
            now = _dtype(code, bound)
            for dtype in DTYPES:
                if dtype != now:
                    yield _offer(code, bound, dtype)


def _offer(code: Code, bound: Bound, dtype: str) -> Offer:
    loader = _loader(code, bound)
    if loader is None:
        return rewrite(
            f"dtype.{dtype}", f"Make `{bound.variable}` {dtype}", lambda: _cast(code, bound, dtype)
        )
    title = f"Load `{bound.variable}` in {dtype}"
    return rewrite(f"dtype.{dtype}", title, lambda: _loaded(code, bound, loader, dtype))


def _chain(node: ast.expr) -> Iterator[ast.Call]:
    """The calls of `f(…).to(…).eval()`, the last first."""
    while isinstance(node, ast.Call):
        yield node
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.func


def _loader(code: Code, bound: Bound) -> ast.Call | None:
    for call in _chain(bound.value):
        dotted = code.meaning(call.func)
        if dotted.rpartition(".")[2] in LOADERS - {"from_quantized"} or dotted.endswith(
            "transformers.pipeline"
        ):
            return call
    return None


def _dtype(code: Code, bound: Bound) -> str | None:
    """The dtype that the program gives the model; None where it gives none."""
    for act in acts(code, bound.region):
        if act.kind == "cast" and act.model == bound.variable and act.atom.index > bound.atom.index:
            return act.detail
    for call in _chain(bound.value):
        found = cast_to(code, call) or dtype_named(
            code, argument(call, "dtype") or argument(call, "torch_dtype")
        )
        if found is not None:
            return found
    return None


def _loaded(code: Code, bound: Bound, loader: ast.Call, dtype: str) -> tuple[TextEdit, ...]:
    name = torch_name(code, bound.region, bound.atom, dtype)
    value = name.names[dtype]
    if code.meaning(loader.func).startswith("diffusers."):
        return (*name.edits, *changed(code, loader, bound.atom, set_keyword("torch_dtype", value)))
    both = argument(loader, "dtype") is not None
    rename = [] if both else [rename_keyword("torch_dtype", "dtype")]
    return (*name.edits, *changed(code, loader, bound.atom, *rename, set_keyword("dtype", value)))


def _cast(code: Code, bound: Bound, dtype: str) -> tuple[TextEdit, ...]:
    name = torch_name(code, bound.region, bound.atom, dtype)
    for call in _chain(bound.value):
        if cast_to(code, call) is not None:
            return (*name.edits, _recast(code, bound, call, name.names[dtype]))
    end = code.end(bound.value, bound.atom)
    if isinstance(bound.value, ast.Call):
        return (*name.edits, TextEdit(end, end, f".to({name.names[dtype]})"))
    start = code.start(bound.value, bound.atom)
    return (*name.edits, TextEdit(start, start, "("), TextEdit(end, end, f").to({name.names[dtype]})"))


def _recast(code: Code, bound: Bound, call: ast.Call, value: str) -> TextEdit:
    """Another dtype in the cast that is there."""
    func = call.func
    assert isinstance(func, ast.Attribute)
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    old = next((node for node in given if dtype_named(code, node) is not None), None)
    if old is not None:
        return TextEdit(code.start(old, bound.atom), code.end(old, bound.atom), value)
    return TextEdit(code.end(func.value, bound.atom), code.end(call, bound.atom), f".to({value})")


ACTION = Action("dtype", _offers)

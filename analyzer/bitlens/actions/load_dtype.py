"""Load or build a model in bfloat16 or float16.

Offered on a statement that gives a model to a variable. `from_pretrained` of transformers gets `dtype=` (its
old name `torch_dtype` is renamed), that of diffusers gets `torch_dtype=`; any other expression gets
`.to(torch.bfloat16)`, where the model takes token ids or nothing in the file runs it: float inputs would have
to be cast, too. Not offered where the expression gives the model that dtype already or a later statement of
the scope casts it, nor for a model that is quantized.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.actions._action import Action, bound_at, rewrite
from bitlens.actions.quantize_model import is_quantized, is_whole_model
from bitlens.analysis import Analysis
from bitlens.editing.acts import acts, cast_to, dtype_named
from bitlens.editing.arguments import changed, rename_keyword, set_keyword
from bitlens.editing.code import Bound, Code, argument, is_of_transformers
from bitlens.editing.completing import is_used
from bitlens.editing.importing import torch_name
from bitlens.editing.offers import Offer, Span, TextEdit

DTYPES = ("bfloat16", "float16")


def _offers(_: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    for bound in bound_at(code, span):
        if is_whole_model(code, bound) and not is_quantized(code, bound):
            if _is_cast_later(code, bound) or not (_loader(code, bound) or _takes_any_float(code, bound)):
                continue
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
    """The call that takes the dtype as an argument."""
    return next((call for call in _chain(bound.value) if _takes_dtype(code, call)), None)


def _takes_dtype(code: Code, call: ast.Call) -> bool:
    owner, _, method = code.meaning(call.func).rpartition(".")
    if method == "pipeline":
        return owner.startswith("transformers")
    if owner.startswith("diffusers."):
        return method in {"from_pretrained", "from_single_file"}
    if method == "from_config":
        return owner.startswith("transformers.") and owner.rpartition(".")[2].startswith("Auto")
    return method in {"from_pretrained", "_from_config"} and is_of_transformers(code, owner)


def _takes_any_float(code: Code, bound: Bound) -> bool:
    """Whether the program still runs with a model of another dtype, as far as it can be told."""
    made = bound.use.class_name
    if not is_used(code, bound) or made.startswith("transformers."):
        return True
    node = code.knowledge.classes.get(made, bound.value)
    embeds = any(code.meaning(call.func) == "torch.nn.Embedding" for call in _calls(node))
    return embeds and not any(_makes_float(code, call) for call in _calls(node))


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (child for child in ast.walk(node) if isinstance(child, ast.Call))


def _makes_float(code: Code, call: ast.Call) -> bool:
    """Whether a call makes a tensor of the default dtype."""
    made = code.meaning(call.func) in {f"torch.{name}" for name in ("zeros", "ones", "rand", "randn", "full")}
    return made and argument(call, "dtype") is None


def _is_cast_later(code: Code, bound: Bound) -> bool:
    return any(
        act.kind == "cast" and act.model == bound.variable and act.atom.index > bound.atom.index
        for act in acts(code, bound.region)
    )


def _dtype(code: Code, bound: Bound) -> str | None:
    """The dtype that the expression gives the model; None where it gives none."""
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

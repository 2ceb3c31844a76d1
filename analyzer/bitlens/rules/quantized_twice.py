"""A model that is quantized already is quantized again.

## What it does
Finds a second `quantize()` of the same model, and a `quantize()` of a model that `from_pretrained` has
quantized already (`quantization_config=`). Calls that share the model's layers by `include=` or `exclude=`,
and the steps of one conversion (prepare, convert), are left alone.

## Why is this bad?
The second call does not do what it says. quanto replaces the setting of layers that are not frozen yet, and
leaves frozen ones as they are although they then name the new format; torch.ao skips layers that it has
converted; a library that finds another's layers quantizes nothing.

## Example
```python
quantize(model, weights=qint8)
freeze(model)
quantize(model, weights=qint4)
```

## Use instead
```python
quantize(model, weights=qint4)
freeze(model)
```

## Fix
Removes the second call where it is a statement of its own. Unsafe: the format that you want may be the second
one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing import placing
from bitlens.editing.acts import Act, acts
from bitlens.editing.code import Code, Region, argument, chained
from bitlens.editing.offers import Offer
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import exclusive


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        done = acts(code, region)
        for position, act in enumerate(done):
            if act.kind == "quantize" and not _partial(act, done[:position]):
                first = _first(act, done[:position])
                if first is not None:
                    yield _found(code, region, act, first)


_STEP = re.compile(r"step|prepare|convert|QAT|\bqat", re.IGNORECASE)


def _partial(act: Act, earlier: list[Act]) -> bool:
    """Whether the call, or a configuration that it is given, is about some layers or one step of several."""
    some = any(argument(act.call, name) is not None for name in ("include", "exclude", "filter_fn"))
    given = {chained(node) for node in act.call.args[1:]} | {chained(k.value) for k in act.call.keywords}
    made = (other.call for other in earlier if other.kind == "bind" and other.model in given - {act.model})
    return some or any(_STEP.search(ast.unparse(call)) for call in (act.call, *made))


def _first(act: Act, earlier: list[Act]) -> Act | None:
    """What quantized the model before, unless the variable has got another model since."""
    for other in reversed(earlier):
        if (
            other.model != act.model
            or other.call is act.call
            or exclusive(other.atom.blocks, act.atom.blocks)
        ):
            continue
        if other.kind == "quantize":
            return None if _partial(other, earlier) or _copies(other, act) else other
        if other.kind == "bind":
            loaded = argument(other.call, "quantization_config")
            return other if loaded is not None and not _is_none(loaded) else None
    return None


def _copies(first: Act, second: Act) -> bool:
    """`a = quantize_dynamic(model); b = quantize_dynamic(model)`: neither call changes the model."""
    return (
        first.detail == "torch.ao"
        and isinstance(first.atom.node, ast.Assign)
        and first.model not in {ast.unparse(target) for target in first.atom.node.targets}
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _found(code: Code, region: Region, act: Act, first: Act) -> Found:
    how = "quantized" if first.kind == "quantize" else "loaded quantized"
    message = (
        f"`{act.model}` is {how} on line {first.atom.line} already; quantizing it again does not convert it."
    )
    return Found(
        code.span(act.call, act.atom), message, f"{region.name}:{act.model}", _removal(code, region, act)
    )


def _removal(code: Code, region: Region, act: Act) -> Offer | None:
    if not isinstance(act.atom.node, ast.Expr) or act.atom.node.value is not act.call:
        return None
    return fix(RULE.code, "Remove this quantization", lambda: (placing.removed(code, region, act.atom),))


RULE = Rule(
    "BL103",
    "quantized-twice",
    "warning",
    ("quantize", "quanto|torchao|torch.ao|torch.quantization|import quantization"),
    _find,
)

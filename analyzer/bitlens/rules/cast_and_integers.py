"""A cast to half precision beside integer-quantized weights, which raises.

## What it does
Finds `.half()`, `.bfloat16()` or `.to(torch.float16)` (or `bfloat16`) of a model that quanto has frozen, or
before torch.ao's dynamic quantization of the same model.

## Why is this bad?
Both raise an error. The weights of a frozen quanto layer cannot change their dtype ("The dtype of a weights
Tensor cannot be changed"). torch.ao's int8 layers compute with float32 inputs only, so the forward pass of a
model that was cast first ends in "expected scalar type Float but found Half".

## Example
```python
quantize(model, weights=qint8)
freeze(model)
model.half()
```

## Use instead
```python
model.half()
quantize(model, weights=qint8)
freeze(model)
```

## Fix
Removes the cast where it is a statement of its own. Safe where the program would raise on that line: after
`freeze`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing import placing
from bitlens.editing.acts import Act, acts, covers
from bitlens.editing.code import Code, Region
from bitlens.editing.offers import Offer
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import exclusive

_HALVES = {"float16", "bfloat16"}


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        done = acts(code, region)
        for position, act in enumerate(done):
            if act.kind != "cast":
                continue
            if act.detail in _HALVES and (later := _dynamic(act, done[position + 1 :])):
                yield _before(code, region, act, later)
            elif _is_frozen(act, done[:position]):
                yield _after(code, region, act)


def _dynamic(act: Act, later: list[Act]) -> Act | None:
    for other in later:
        if exclusive(other.atom.blocks, act.atom.blocks) or not covers(act.model, other.model):
            continue
        if other.kind == "quantize" and other.detail == "torch.ao":
            return other
        if other.kind == "cast" or (other.kind == "bind" and other.atom is not act.atom):
            return None
    return None


def _is_frozen(act: Act, earlier: list[Act]) -> bool:
    for other in reversed(earlier):
        if exclusive(other.atom.blocks, act.atom.blocks):
            continue
        if other.kind == "freeze" and covers(act.model, other.model):
            return any(
                o.kind == "quantize" and o.detail == "quanto" and o.model == other.model for o in earlier
            )
        if other.kind == "bind" and other.model == act.model:
            return False
    return False


def _before(code: Code, region: Region, act: Act, later: Act) -> Found:
    message = (
        f"torch.ao's int8 layers (line {later.atom.line}) compute with float32 only: after this cast to"
        f" {act.detail} the"
        " model's forward pass raises an error."
    )
    return Found(
        code.span(act.call, act.atom),
        message,
        f"{region.name}:{act.model}",
        _removal(code, region, act, False),
    )


def _after(code: Code, region: Region, act: Act) -> Found:
    message = (
        f"The weights of `{act.model}` are quantized and frozen; casting them to {act.detail} raises an"
        f" error. Cast before"
        " quantize()."
    )
    return Found(
        code.span(act.call, act.atom),
        message,
        f"{region.name}:{act.model}",
        _removal(code, region, act, True),
    )


def _removal(code: Code, region: Region, act: Act, safe: bool) -> Offer | None:
    if not isinstance(act.atom.node, ast.Expr) or act.atom.node.value is not act.call:
        return None
    return fix(RULE.code, "Remove this cast", lambda: (placing.removed(code, region, act.atom),), safe)


RULE = Rule(
    "BL104",
    "cast-and-integers",
    "error",
    (
        "quantize",
        "quanto|torchao|torch.ao|torch.quantization|import quantization",
        "half|float16|bfloat16|.to(|.float(|.double(",
    ),
    _find,
)

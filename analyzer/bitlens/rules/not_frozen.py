"""Quantized, but saved or measured before `freeze()`.

## What it does
Finds a call of quanto's `quantize(model, weights=…)` after which the model is saved or its size is measured
before `freeze(model)`.

## Why is this bad?
`quantize()` only marks the layers: their weights stay float until `freeze()` converts them. A file that is
written or a size that is read before then is that of the float model.

## Example
```python
quantize(model, weights=qint8)
torch.save(model.state_dict(), "model.pt")
```

## Use instead
```python
quantize(model, weights=qint8)
freeze(model)
torch.save(model.state_dict(), "model.pt")
```

## Fix
Adds `freeze(model)`, and its import if there is none, or moves the one that stands too late: right before the
model is saved or measured where that stands in the same block, so that calibration and training come first.
Unsafe: what is saved changes, as is meant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing import placing
from bitlens.editing.acts import QUANTO, Act, acts, covers
from bitlens.editing.code import Code, Region, argument
from bitlens.editing.importing import spelled
from bitlens.editing.offers import TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import exclusive

_DONE = {"save": "saved", "measure": "measured"}


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        done = acts(code, region)
        for act in done:
            if (
                act.kind == "quantize"
                and act.detail == "quanto"
                and argument(act.call, "weights", 1) is not None
            ):
                event = too_early(act, done)
                if event is not None:
                    yield _found(code, region, act, event)


def too_early(quantized: Act, done: list[Act]) -> Act | None:
    """The first act that saves or measures a quantized model which is not frozen yet."""
    for act in done[done.index(quantized) + 1 :]:
        if exclusive(act.atom.blocks, quantized.atom.blocks):
            continue
        related = covers(act.model, quantized.model) or covers(quantized.model, act.model)
        if act.kind in {"freeze", "bind"} and related:
            return None
        if act.kind in _DONE and covers(act.model, quantized.model):
            return act
    return None


def _found(code: Code, region: Region, act: Act, event: Act) -> Found:
    message = (
        f"`{act.model}` is {_DONE[event.kind]} on line {event.atom.line} before `freeze({act.model})`: its"
        f" weights are "
        "still float there."
    )
    title = f"Freeze `{act.model}` before it is {_DONE[event.kind]}"
    repair = fix(RULE.code, title, lambda: frozen(code, region, act, event))
    return Found(code.span(act.call, act.atom), message, f"{region.name}:{act.model}", repair)


def frozen(code: Code, region: Region, act: Act, event: Act | None) -> tuple[TextEdit, ...]:
    """The edit that freezes what `act` quantizes: before `event` in the same block, else right behind.

    A `freeze` that stands too late in the block is moved.
    """
    late = _late(code, region, act)
    if late is not None:
        moved: tuple[TextEdit, ...] = (placing.removed(code, region, late.atom),)
        return (*moved, _placed(code, region, act, event, code.source(late.call, late.atom)))
    spelling = spelled(code, region, act.atom, QUANTO, ["freeze"])
    if spelling is None:
        return ()
    line = f"{spelling.names['freeze']}({act.model})"
    return (*spelling.edits, _placed(code, region, act, event, line))


def _late(code: Code, region: Region, act: Act) -> Act | None:
    """A statement of the same block that freezes the model."""
    for other in acts(code, region):
        alone = isinstance(other.atom.node, ast.Expr) and other.atom.node.value is other.call
        same = other.kind == "freeze" and other.model == act.model
        if same and alone and other.atom in region.siblings(act.atom):
            return other
    return None


def _placed(code: Code, region: Region, act: Act, event: Act | None, line: str) -> TextEdit:
    siblings = region.siblings(act.atom) if event is not None else []
    before = [a for a in siblings if event is not None and event.atom in region.subtree(a)]
    return placing.before(code, before[0], line) if before else placing.after(code, act.atom, line)


RULE = Rule("BL101", "not-frozen", "warning", ("quanto", "quantize"), _find)

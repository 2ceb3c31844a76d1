"""Quantized activations that are never calibrated, or frozen before they are.

## What it does
Finds a call of quanto's `quantize(model, activations=…)` that is followed by `freeze(model)` with no `with
Calibration():` between them.

## Why is this bad?
Until a calibration has seen data, the scale of every activation is 1, so activations are rounded to whole
numbers and cut at the format's range. What runs or is saved between `freeze` and the calibration is wrong;
without any calibration, everything is.

## Example
```python
quantize(model, weights=qint8, activations=qint8)
freeze(model)
with Calibration():
    model(samples)
```

## Use instead
```python
quantize(model, weights=qint8, activations=qint8)
with Calibration():
    model(samples)
freeze(model)
```

## Fix
Moves `freeze(model)` behind the calibration that follows it in the same block. Unsafe: what stands between
the two sees other weights. Where nothing calibrates there is no fix, since only you know the samples.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing import placing
from bitlens.editing.acts import Act, acts, covers
from bitlens.editing.code import Code, Region, argument
from bitlens.editing.offers import Offer, TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom, exclusive


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        done = acts(code, region)
        for position, act in enumerate(done):
            if act.kind == "quantize" and act.detail == "quanto" and _has_activations(act):
                yield from _frozen_early(code, region, act, done[position + 1 :])


def _has_activations(act: Act) -> bool:
    given = argument(act.call, "activations", 2)
    return given is not None and not (isinstance(given, ast.Constant) and given.value is None)


def _frozen_early(code: Code, region: Region, act: Act, later: list[Act]) -> Iterator[Found]:
    for position, other in enumerate(later):
        if exclusive(other.atom.blocks, act.atom.blocks):
            continue
        if other.kind == "calibrate" or (other.kind == "bind" and other.model == act.model):
            return
        if other.kind == "freeze" and covers(other.model, act.model):
            after = next((a for a in later[position + 1 :] if a.kind == "calibrate"), None)
            if after is not None or not _calibrates_elsewhere(code, region):
                yield _found(code, region, other, after)
            return


def _calibrates_elsewhere(code: Code, region: Region) -> bool:
    """Whether another function might do it before this one freezes."""
    return any(
        a.kind == "calibrate" for other in code.regions if other is not region for a in acts(code, other)
    )


def _found(code: Code, region: Region, frozen: Act, calibration: Act | None) -> Found:
    span = code.span(frozen.call, frozen.atom)
    subject = f"{region.name}:{frozen.model}"
    if calibration is None:
        message = (
            f"The activations of `{frozen.model}` are quantized and never calibrated, so their scales stay"
            f" 1. Run samples"
            " through it in `with Calibration():` before `freeze`."
        )
        return Found(span, message, subject)
    message = (
        f"`{frozen.model}` is frozen before the calibration on line {calibration.atom.line}; until then"
        f" every activation"
        " has a scale of 1. Calibrate first."
    )
    return Found(span, message, subject, _move(code, region, frozen, calibration.atom))


def _move(code: Code, region: Region, frozen: Act, calibration: Atom) -> Offer | None:
    alone = isinstance(frozen.atom.node, ast.Expr) and frozen.atom.node.value is frozen.call
    if not alone or calibration not in region.siblings(frozen.atom):
        return None

    def make() -> tuple[TextEdit, ...]:
        text = code.source(frozen.call, frozen.atom)
        return placing.removed(code, region, frozen.atom), placing.after(code, calibration, text)

    return fix(RULE.code, f"Freeze `{frozen.model}` after the calibration", make)


RULE = Rule("BL102", "not-calibrated", "warning", ("quanto", "activations", "freeze"), _find)

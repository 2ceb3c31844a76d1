"""A whole model given to `torch.save`.

## What it does
Finds `torch.save(model, …)` where `model` is a module and not its state dict.

## Why is this bad?
The file is a pickle of the class by name: it opens only where the same source files lie at the same place,
and opening it runs code, so `torch.load` refuses it since torch 2.6 unless `weights_only=False`. A state
dict, or better a safetensors file, holds the weights alone.

## Example
```python
torch.save(model, "model.pt")
```

## Use instead
```python
torch.save(model.state_dict(), "model.pt")
```

## Fix
Saves `model.state_dict()`. Unsafe: what reads the file has to build the model and call `load_state_dict`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.code import Code, Region, argument, chained
from bitlens.editing.offers import TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region, atom, call in code.calls():
        if code.meaning(call.func) == "torch.save":
            given = argument(call, "obj", 0)
            name = chained(given)
            if given is not None and name is not None and name in region.variables:
                yield _found(code, region, atom, given, name)


def _found(code: Code, region: Region, atom: Atom, given: ast.expr, name: str) -> Found:
    message = (
        f"`torch.save({name}, …)` pickles the class with the weights: the file runs code when it is read"
        f" and needs your"
        " source. Save the state dict."
    )
    end = code.end(given, atom)
    repair = fix(RULE.code, f"Save `{name}.state_dict()`", lambda: (TextEdit(end, end, ".state_dict()"),))
    return Found(code.span(given, atom), message, f"{region.name}:{name}", repair)


RULE = Rule("BL301", "whole-model-saved", "warning", ("torch", "save("), _find)

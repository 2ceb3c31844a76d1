"""`torch.load` without `weights_only`.

## What it does
Finds calls of `torch.load` that do not say whether they read weights only.

## Why is this bad?
Before torch 2.6 the default ran whatever code the file holds; since then it refuses to. Saying
`weights_only=True` is safe on every version, and says what the file is.

## Example
```python
state = torch.load("model.pt")
```

## Use instead
```python
state = torch.load("model.pt", weights_only=True)
```

## Fix
Adds `weights_only=True`. Safe where the value goes to `load_state_dict`; unsafe elsewhere, since a file that
holds more than tensors is refused. No fix where the value is used as a whole model.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.arguments import changed, set_keyword
from bitlens.editing.code import Code, Region, argument, chained
from bitlens.editing.offers import Offer
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region, atom, call in code.calls():
        if code.meaning(call.func) == "torch.load" and not _says(call):
            yield _found(code, region, atom, call)


def _says(call: ast.Call) -> bool:
    """Whether the call is given `weights_only`, a pickle module of its own, or keywords that are not seen."""
    unseen = any(keyword.arg is None for keyword in call.keywords)
    return unseen or any(argument(call, name) is not None for name in ("weights_only", "pickle_module"))


def _found(code: Code, region: Region, atom: Atom, call: ast.Call) -> Found:
    whole = code.models.use(call, region.variables, _target(atom, call)) is not None
    message = "torch.load without `weights_only`: before torch 2.6 this runs any code that the file holds."
    if whole:
        message += " This one reads a whole model; save and load its state dict."
    repair = None if whole else _repair(code, region, atom, call)
    return Found(code.span(call, atom), message, f"{region.name}:{_target(atom, call)}", repair)


def _target(atom: Atom, call: ast.Call) -> str:
    node = atom.node
    targets = node.targets if isinstance(node, ast.Assign) and node.value is call else []
    return next((name for target in targets if (name := chained(target))), "")


def _repair(code: Code, region: Region, atom: Atom, call: ast.Call) -> Offer:
    safe = _is_state(region, atom, call)
    change = set_keyword("weights_only", "True")
    return fix(RULE.code, "Add `weights_only=True`", lambda: changed(code, call, atom, change), safe)


def _is_state(region: Region, atom: Atom, call: ast.Call) -> bool:
    """Whether the value goes to `load_state_dict`, here or by its variable."""
    target = _target(atom, call)
    for other in region.atoms[atom.index :]:
        for use in other.effects.calls:
            if isinstance(use.func, ast.Attribute) and use.func.attr == "load_state_dict" and use.args:
                given = use.args[0]
                if given is call or (target and chained(given) == target):
                    return True
    return False


RULE = Rule("BL302", "load-without-weights-only", "warning", ("torch", "load("), _find)

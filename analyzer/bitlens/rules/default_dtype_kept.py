"""The default dtype is set and never reset.

## What it does
Finds `torch.set_default_dtype(…)` with a dtype other than float32 that nothing of the same function or file
sets back.

## Why is this bad?
It changes every tensor and layer that the whole process makes from then on: a model built later, a mask, a
learning-rate tensor, another library's buffers.

## Example
```python
torch.set_default_dtype(torch.bfloat16)
model = Net()
```

## Use instead
```python
torch.set_default_dtype(torch.bfloat16)
model = Net()
torch.set_default_dtype(torch.float32)
```

## Fix
Sets it back to float32 after the last model that the same block builds. Unsafe: what follows may count on the
dtype.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing import placing
from bitlens.editing.acts import dtype_named
from bitlens.editing.code import Code, Region, argument
from bitlens.editing.importing import torch_name
from bitlens.editing.offers import Offer, TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        set_by = [(atom, call) for atom in region.atoms for call in atom.effects.calls if _sets(code, call)]
        if set_by:
            atom, call = set_by[-1]
            dtype = dtype_named(code, argument(call, "d", 0))
            if dtype is not None and dtype != "float32":
                yield _found(code, region, atom, call, dtype)


def _sets(code: Code, call: ast.Call) -> bool:
    return code.meaning(call.func) == "torch.set_default_dtype"


def _found(code: Code, region: Region, atom: Atom, call: ast.Call, dtype: str) -> Found:
    message = (
        f"The default dtype is {dtype} from here to the end of the process, for every tensor and layer of"
        f" every library."
        " Set it back after the model is built."
    )
    return Found(code.span(call, atom), message, f"{region.name}:{dtype}", _repair(code, region, atom, call))


def _repair(code: Code, region: Region, atom: Atom, call: ast.Call) -> Offer | None:
    built = [b.atom for b in code.bound if b.region is region and b.use.kind != "external"]
    later = [a for a in region.siblings(atom) if a in built]
    if not later:
        return None

    def make() -> tuple[TextEdit, ...]:
        name = torch_name(code, region, atom, "float32")
        line = f"{code.source(call.func, atom)}({name.names['float32']})"
        return (*name.edits, placing.after(code, later[-1], line))

    return fix(RULE.code, "Set the default dtype back after the model", make)


RULE = Rule("BL401", "default-dtype-kept", "warning", ("set_default_dtype",), _find)

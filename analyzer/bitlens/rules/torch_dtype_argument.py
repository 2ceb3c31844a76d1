"""`torch_dtype=` is now `dtype=`.

## What it does
Finds the argument `torch_dtype` in calls of transformers' loaders and pipelines.

## Why is this bad?
transformers has renamed the argument. The old name still works and logs that it is deprecated; where both are
given, `dtype` wins and the other is ignored. diffusers keeps `torch_dtype`, so its calls are left alone.

## Example
```python
model = AutoModel.from_pretrained(name, torch_dtype=torch.bfloat16)
```

## Use instead
```python
model = AutoModel.from_pretrained(name, dtype=torch.bfloat16)
```

## Fix
Renames the argument, or removes it where `dtype=` is given too. Safe with a transformers that knows `dtype=`
(4.56 and newer).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.arguments import changed, remove_keyword, rename_keyword
from bitlens.editing.code import Code, Region, argument, is_of_transformers
from bitlens.editing.offers import Offer, TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.libraries import LOADERS
from bitlens.source.slicing.scopes import Atom


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region, atom, call in code.calls():
        if _is_transformers(code, call):
            for keyword in call.keywords:
                if keyword.arg == "torch_dtype":
                    yield _found(code, region, atom, keyword, _rename(code, atom, call))
                elif keyword.arg == "model_kwargs" and isinstance(keyword.value, ast.Dict):
                    yield from _in_dict(code, region, atom, keyword.value)


def _is_transformers(code: Code, call: ast.Call) -> bool:
    dotted = code.meaning(call.func)
    if dotted.startswith("transformers."):
        return True
    owner, _, method = dotted.rpartition(".")
    return method in LOADERS and is_of_transformers(code, owner)


def _rename(code: Code, atom: Atom, call: ast.Call) -> Offer:
    if argument(call, "dtype") is not None:
        title, change = "Remove `torch_dtype`, which `dtype` overrules", remove_keyword("torch_dtype")
    else:
        title, change = "Rename to `dtype`", rename_keyword("torch_dtype", "dtype")
    return fix(RULE.code, title, lambda: changed(code, call, atom, change), safe=True)


def _in_dict(code: Code, region: Region, atom: Atom, node: ast.Dict) -> Iterator[Found]:
    keys = [key for key in node.keys if isinstance(key, ast.Constant)]
    if any(key.value == "dtype" for key in keys):
        return
    for key in keys:
        if key.value == "torch_dtype":
            start, end = code.start(key, atom), code.end(key, atom)
            new = code.text[start:end].replace("torch_dtype", "dtype")
            yield _found(code, region, atom, key, _replacement(TextEdit(start, end, new)))


def _replacement(edit: TextEdit) -> Offer:
    return fix(RULE.code, "Rename to `dtype`", lambda: (edit,), safe=True)


def _found(code: Code, region: Region, atom: Atom, node: ast.keyword | ast.expr, repair: Offer) -> Found:
    start = code.start(node, atom)
    width = len("torch_dtype") if isinstance(node, ast.keyword) else code.end(node, atom) - start
    message = "`torch_dtype` is deprecated in transformers: the argument is now `dtype`."
    return Found(code.span_of(start, start + width), message, f"{region.name}:torch_dtype", repair)


RULE = Rule("BL201", "torch-dtype-argument", "warning", ("torch_dtype",), _find)

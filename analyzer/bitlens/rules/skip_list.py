"""A skip list that takes the place of transformers' own, which kept the output head in float.

## What it does
Finds `QuantoConfig(modules_to_not_convert=[…])`, `BitsAndBytesConfig(llm_int8_skip_modules=[…])` and
`HqqConfig(skip_modules=[…])` whose list names no output head.

## Why is this bad?
Without a list transformers leaves the output head (`lm_head`) and weights tied to it in float. A list, even
an empty one, is not added to that but replaces it: the head is quantized, too, where answers depend on it
most.

## Example
```python
config = QuantoConfig(weights="int8", modules_to_not_convert=["visual"])
```

## Use instead
```python
config = QuantoConfig(weights="int8", modules_to_not_convert=["visual", "lm_head"])
```

## Fix
Adds `"lm_head"`, the name of the output head of transformers' language models. Unsafe: another layer keeps
its float weights, and your model may call it by another name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.arguments import changed, set_keyword
from bitlens.editing.code import Code, argument
from bitlens.editing.excluding import quote_of
from bitlens.rules._rule import Found, Rule, fix

LISTS = {
    "QuantoConfig": "modules_to_not_convert",
    "BitsAndBytesConfig": "llm_int8_skip_modules",
    "HqqConfig": "skip_modules",
}
"""Configurations of transformers, and the argument that names layers to leave alone."""
_HEAD = re.compile(r"head|output|classifier|score|proj_out|decoder$", re.IGNORECASE)


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region, atom, call in code.calls():
        dotted = code.meaning(call.func)
        name = LISTS.get(dotted.rpartition(".")[2]) if dotted.startswith("transformers.") else None
        given = argument(call, name) if name is not None else None
        if name is None or not isinstance(given, (ast.List, ast.Tuple)):
            continue
        items = [
            item.value
            for item in given.elts
            if isinstance(item, ast.Constant) and isinstance(item.value, str)
        ]
        if len(items) < len(given.elts) or any(map(_HEAD.search, items)):
            continue
        quote = quote_of(code.text)
        value = "[" + ", ".join(f"{quote}{item}{quote}" for item in (*items, "lm_head")) + "]"
        message = (
            f"`{name}=` replaces transformers' own list: the output head (`lm_head`) is quantized, too."
            " Name it as well to leave it in float."
        )
        edit = changed(code, call, atom, set_keyword(name, value))
        repair = fix(RULE.code, "Leave `lm_head` in float", lambda edit=edit: edit)  # type: ignore[misc]
        yield Found(code.span(given, atom), message, f"{region.name}:{name}", repair)


RULE = Rule("BL106", "skip-list", "warning", ("|".join(LISTS), "|".join(LISTS.values())), _find)

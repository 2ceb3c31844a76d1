"""`torch.quantization` has moved, and is deprecated where it went.

## What it does
Finds imports and uses of `torch.quantization`.

## Why is this bad?
The module is a shell that is kept for old programs: everything in it lives in `torch.ao.quantization`, which
warns on use that it is deprecated and will be removed. What replaces it:

| you have | use |
|---|---|
| `quantize_dynamic` | torchao's `quantize_` with an int8 configuration, or quanto's `quantize` |
| `prepare`, calibration, `convert` | the PT2E flow of torchao: `prepare_pt2e`, `convert_pt2e` |
| `prepare_qat` | `prepare_qat_pt2e`, or torchao's `QATConfig` |

## Example
```python
from torch.quantization import quantize_dynamic
```

## Use instead
```python
from torch.ao.quantization import quantize_dynamic
```

## Fix
Writes `torch.ao.quantization`. Safe: the names are the same objects.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.code import Code, Region, chained
from bitlens.editing.offers import Offer, TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom

_OLD = "torch.quantization"


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        for atom in region.atoms:
            if isinstance(atom.node, ast.ImportFrom):
                yield from _from(code, region, atom, atom.node)
            elif isinstance(atom.node, ast.Import):
                yield from _plain(code, region, atom, atom.node)
            else:
                yield from _uses(code, region, atom)


def _is_old(module: str | None) -> bool:
    return module is not None and (module == _OLD or module.startswith(_OLD + "."))


def _from(code: Code, region: Region, atom: Atom, node: ast.ImportFrom) -> Iterator[Found]:
    if _is_old(node.module) and not node.level:
        yield _found(code, region, atom, code.start(node, atom), code.end(node, atom))
    elif node.module == "torch" and not node.level:
        for alias in node.names:
            if alias.name == "quantization":
                edit = None
                if len(node.names) == 1:
                    name = f" as {alias.asname}" if alias.asname else ""
                    new = f"from torch.ao import quantization{name}"
                    edit = TextEdit(code.start(node, atom), code.end(node, atom), new)
                yield _told(code, region, code.start(alias, atom), code.end(alias, atom), edit)


def _plain(code: Code, region: Region, atom: Atom, node: ast.Import) -> Iterator[Found]:
    for alias in node.names:
        if _is_old(alias.name):
            yield _found(code, region, atom, code.start(alias, atom), code.end(alias, atom))


def _uses(code: Code, region: Region, atom: Atom) -> Iterator[Found]:
    """`torch.quantization.…` spelled out, in the statement itself: its blocks come on their own."""
    seen: set[int] = set()
    for call in atom.effects.calls:
        for node in ast.walk(call):
            if isinstance(node, ast.Attribute) and chained(node) == _OLD and id(node) not in seen:
                seen.add(id(node))
                if code.meaning(node) == _OLD:
                    yield _found(code, region, atom, code.start(node, atom), code.end(node, atom))


def _found(code: Code, region: Region, atom: Atom, start: int, end: int) -> Found:
    match = re.compile(r"torch\s*\.\s*(?=quantization\b)").search(code.text, start, end)
    edit = TextEdit(match.end(), match.end(), "ao.") if match else None
    return _told(code, region, start, end, edit)


def _told(code: Code, region: Region, start: int, end: int, edit: TextEdit | None) -> Found:
    message = (
        "`torch.quantization` has moved to `torch.ao.quantization`, which is deprecated; torchao's"
        " `quantize_` or"
        " optimum-quanto replace it."
    )
    return Found(code.span_of(start, end), message, f"{region.name}:torch.quantization", _repair(edit))


def _repair(edit: TextEdit | None) -> Offer | None:
    return fix(RULE.code, "Use torch.ao.quantization", lambda: (edit,), safe=True) if edit else None


RULE = Rule(
    "BL204",
    "torch-quantization",
    "warning",
    ("quantization", "torch.quantization|import quantization|, quantization"),
    _find,
)

"""quanto's formats are its own: `weights=torch.int8` is now `weights=qint8`.

## What it does
Finds torch dtypes, and the strings that name them, as `weights=` or `activations=` of quanto's `quantize`.

## Why is this bad?
Since quanto 0.1 a format is a `qtype` of the library (`qint2`, `qint4`, `qint8`, `qfloat8`); a torch dtype
raises `KeyError: torch.int8`.

## Example
```python
quantize(model, weights=torch.int8, activations=None)
```

## Use instead
```python
quantize(model, weights=qint8, activations=None)
```

## Fix
Puts the library's format in its place and imports it. Safe: the call raises an error as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.acts import QUANTO, dtype_named, quanto
from bitlens.editing.code import Code, Region, argument
from bitlens.editing.importing import spelled
from bitlens.editing.offers import TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom

FORMATS = {
    "int8": "qint8",
    "qint8": "qint8",
    "float8_e4m3fn": "qfloat8_e4m3fn",
    "float8_e5m2": "qfloat8_e5m2",
    "int4": "qint4",
    "int2": "qint2",
}
"""torch's dtype to the library's name."""
_STRINGS = {"int8", "int4", "int2", "float8", "float8_e4m3fn", "float8_e5m2"}


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region, atom, call in code.calls():
        if quanto(code, call.func) == "quantize":
            for name, position in (("weights", 1), ("activations", 2)):
                given = argument(call, name, position)
                wanted = _format(code, given)
                if given is not None and wanted is not None:
                    yield _found(code, region, atom, given, name, wanted)


def _format(code: Code, given: ast.expr | None) -> str | None:
    if isinstance(given, ast.Constant) and given.value in _STRINGS:
        return FORMATS.get(given.value, "qfloat8")
    return FORMATS.get(dtype_named(code, given) or "")


def _found(code: Code, region: Region, atom: Atom, given: ast.expr, name: str, wanted: str) -> Found:
    said = f"{name}={code.source(given, atom)}"
    message = f"quanto takes its own formats: `{said}` raises a KeyError; use `{wanted}`."

    def make() -> tuple[TextEdit, ...]:
        spelling = spelled(code, region, atom, QUANTO, [wanted])
        if spelling is None:
            return ()
        new = TextEdit(code.start(given, atom), code.end(given, atom), spelling.names[wanted])
        return (*spelling.edits, new)

    repair = fix(RULE.code, f"Use quanto's `{wanted}`", make, safe=True)
    return Found(code.span(given, atom), message, f"{region.name}:{name}", repair)


RULE = Rule("BL203", "quanto-dtype", "error", ("quanto", "quantize"), _find)

"""`import quanto` is now `optimum.quanto`.

## What it does
Finds imports of the package `quanto`.

## Why is this bad?
The library moved to the package `optimum-quanto`, imported as `optimum.quanto`; the old one is no longer
maintained and does not know today's torch and transformers.

## Example
```python
from quanto import freeze, quantize
```

## Use instead
```python
from optimum.quanto import freeze, quantize
```

## Fix
Rewrites the import. Safe where every imported name is there in optimum.quanto 0.2; no fix is offered for
names that are gone, such as `safe_save` (now `safetensors.torch.save_file` of the state dict and
`quantization_map`). The arguments that changed with the package are the rule BL203's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.code import Code, Region
from bitlens.editing.offers import Offer, TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom

KEPT = frozenset(
    [
        *("AbsmaxOptimizer", "AffineOptimizer", "Calibration", "HqqOptimizer", "MaxOptimizer", "Optimizer"),
        *(
            "QConv2d",
            "QLayerNorm",
            "QLinear",
            "QModuleMixin",
            "QTensor",
            "SymmetricOptimizer",
            "absmax_scale",
        ),
        *(
            "freeze",
            "qfloat8",
            "qfloat8_e4m3fn",
            "qfloat8_e5m2",
            "qint2",
            "qint4",
            "qint8",
            "qtype",
            "qtypes",
        ),
        *("quantization_map", "quantize", "quantize_activation", "quantize_weight", "requantize"),
    ]
)
"""Names that optimum.quanto offers."""


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        for atom in region.atoms:
            node = atom.node
            if isinstance(node, ast.ImportFrom) and not node.level and _is_quanto(node.module):
                yield _found(code, region, atom, _from(code, atom, node))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if _is_quanto(alias.name):
                        yield _found(code, region, atom, _plain(code, atom, node, alias))


def _is_quanto(module: str | None) -> bool:
    return module is not None and module.split(".")[0] == "quanto"


def _from(code: Code, atom: Atom, node: ast.ImportFrom) -> Offer | None:
    if node.module != "quanto" or not all(alias.name in KEPT for alias in node.names):
        return None
    start = code.start(node, atom)
    match = re.compile(r"from\s+").match(code.text, start)
    at = match.end() if match else start
    return _replacement(TextEdit(at, at + len("quanto"), "optimum.quanto"))


def _plain(code: Code, atom: Atom, node: ast.Import, alias: ast.alias) -> Offer | None:
    if alias.name != "quanto" or len(node.names) != 1 or not _all_kept(code, alias.asname or "quanto"):
        return None
    name = f" as {alias.asname}" if alias.asname else ""
    edit = TextEdit(code.start(node, atom), code.end(node, atom), f"from optimum import quanto{name}")
    return _replacement(edit)


def _all_kept(code: Code, name: str) -> bool:
    used = re.findall(rf"\b{re.escape(name)}\.(\w+)", code.text)
    return all(attribute in KEPT for attribute in used)


def _replacement(edit: TextEdit) -> Offer:
    return fix(RULE.code, "Import it from optimum.quanto", lambda: (edit,), safe=True)


def _found(code: Code, region: Region, atom: Atom, repair: Offer | None) -> Found:
    message = "The package `quanto` is now `optimum-quanto`, imported as `optimum.quanto`."
    return Found(code.span(atom.node, atom), message, f"{region.name}:quanto", repair)


RULE = Rule("BL202", "quanto-moved", "warning", ("quanto",), _find)

"""A program as it is before it quantizes, for measuring what quantizing does."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.editing.acts import acts
from bitlens.editing.code import Code
from bitlens.editing.offers import TextEdit, applied


def unquantized(code: Code) -> str | None:
    """The text without what quantizes a model in place, lines unmoved; None if nothing does.

    The weights of a frozen layer are rounded, so their error can only be measured where they are not.
    """
    edits = list(_edits(code))
    return applied(code.text, edits) if edits else None


def _edits(code: Code) -> Iterator[TextEdit]:
    for region in code.regions:
        for act in acts(code, region):
            ours = act.detail in {"quanto", "torchao"} or act.kind == "freeze"
            alone = isinstance(act.atom.node, ast.Expr) and act.atom.node.value is act.call
            if ours and act.kind in {"quantize", "freeze"} and alone:
                start, end = code.start(act.call, act.atom), code.end(act.call, act.atom)
                yield TextEdit(start, end, "pass" + "\n" * code.text.count("\n", start, end))

"""A program as it is before it quantizes, for measuring what quantizing does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from bitlens.analysis import Analysis
from bitlens.editing.acts import acts
from bitlens.editing.code import Code, code_of
from bitlens.editing.excluding import quantizations
from bitlens.editing.offers import TextEdit, applied
from bitlens.measurement import Model
from bitlens.problems import BitlensError
from bitlens.source.program import program_of
from bitlens.source.slice import Slice, slices

_LIBRARIES = re.compile(r"quanto|torchao|quantize_dynamic|torch\.(ao\.)?quantization")
"""What a program that quantizes names somewhere."""


def unquantized(code: Code) -> str | None:
    """The text without what quantizes a model in place, lines unmoved; None if nothing does.

    The weights of a frozen layer are rounded, so their error can only be measured where they are not.
    """
    edits = list(_edits(code))
    return applied(code.text, edits) if edits else None


def formats_asked(analysis: Analysis) -> tuple[str, ...]:
    """The schemes that measure what a program's own calls do to weights."""
    if not _LIBRARIES.search(analysis.text):
        return ()
    return tuple(dict.fromkeys(call.scheme for call in quantizations(code_of(analysis)) if call.scheme))


def originals(analysis: Analysis) -> tuple[Slice, ...]:
    """The models of a program as they are before it quantizes them; none where nothing does so in place."""
    text = unquantized(code_of(analysis)) if _LIBRARIES.search(analysis.text) else None
    if text is None:
        return ()
    try:
        found = slices(program_of(text, analysis.path))
    except BitlensError:
        return ()
    return tuple(piece for piece in found if piece.runnable)


def hides_errors(model: Model, formats: Sequence[str]) -> bool:
    """Whether nothing says what the program's own formats do: the float weights are gone."""
    results = [layer.schemes.get(format) for layer in model.layers for format in formats]
    known = [result for result in results if result is not None]
    return bool(known) and all(result.relative_error is None for result in known)


def _edits(code: Code) -> Iterator[TextEdit]:
    for region in code.regions:
        for act in acts(code, region):
            ours = act.detail in {"quanto", "torchao"} or act.kind == "freeze"
            alone = isinstance(act.atom.node, ast.Expr) and act.atom.node.value is act.call
            if ours and act.kind in {"quantize", "freeze"} and alone:
                start, end = code.start(act.call, act.atom), code.end(act.call, act.atom)
                yield TextEdit(start, end, "pass" + "\n" * code.text.count("\n", start, end))

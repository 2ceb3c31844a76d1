"""Quantize one layer of a model with quanto.

Offered on a line that constructs a `Linear` or `Conv2d`, once for int8 and int4, in a program that builds the
model and does not quantize it. Inserts `quantize(model, weights=…, include="<path>")` and `freeze(model)` as
the action for the whole model does. The layer stays part of the model: quanto leaves a bare layer without
weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bitlens.actions._action import Action, rewrite
from bitlens.actions._layers import LayerCall, layer_calls, measured_paths, static_path
from bitlens.actions.quantize_model import changed_in_place, is_module, is_quantized, quantized
from bitlens.analysis import Analysis
from bitlens.editing.code import Bound, Code
from bitlens.editing.completing import complete
from bitlens.editing.excluding import first_of, patterns, quote_of
from bitlens.editing.offers import Offer, Span


def _offers(analysis: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    layers = [layer for layer in layer_calls(code, span) if _survives(code, layer)]
    models = [b for b in code.bound if is_module(code, b) and not is_quantized(code, b)] if layers else []
    found = [(bound, wanted) for bound in models if (wanted := _patterns(analysis, code, layers, bound))]
    names = Counter(bound.variable for bound, _ in found)
    for bound, wanted in found:
        line = code.span(bound.atom.node, bound.atom).line
        where = f" (line {line})" if names[bound.variable] > 1 else ""
        for name, title in (("qint8", "int8"), ("qint4", "int4")):
            yield _offer(code, bound, wanted, name, title + where)


def _survives(code: Code, layer: LayerCall) -> bool:
    changed = [node for call in layer.atom.effects.calls for node in changed_in_place(code, call)]
    return layer.type in {"Linear", "Conv2d"} and layer.call not in changed


def _offer(code: Code, bound: Bound, wanted: list[str], name: str, title: str) -> Offer:
    quote = quote_of(code.text)
    shown = [f"{quote}{pattern}{quote}" for pattern in wanted]
    include = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    text = f"Quantize only {first_of(wanted)} of `{bound.variable}` to {title}"
    return rewrite(f"quantize-layer.{name}", text, lambda: quantized(code, bound, name, include))


def _patterns(analysis: Analysis, code: Code, layers: list[LayerCall], bound: Bound) -> list[str]:
    first = bound.value.lineno + bound.atom.offset
    for layer in layers:
        measured = measured_paths(analysis, layer.call.lineno + layer.atom.offset)
        if measured is not None:
            paths, placed = measured
            line = placed.here.get(placed.numbers.model.line or 0)
            if line == first:
                return patterns(paths, [other.path for other in placed.numbers.model.layers])
    place = complete(code, bound)
    return [path for layer in layers if (path := static_path(layer, bound, place))]


ACTION = Action("quantize-layer", _offers)

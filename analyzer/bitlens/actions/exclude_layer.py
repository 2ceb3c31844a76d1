"""Leave a layer out of quanto's quantization.

Offered on a line that constructs a layer, in a program whose `quantize(model, …)` would convert it. Adds the
layer's path to `exclude=`: from a measurement, or from the source where the line stands in the class of the
model itself. A line that makes many layers gives one pattern, `layers.*.fc`, where that names no other layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bitlens.actions._action import Action, rewrite
from bitlens.actions._layers import layer_calls, measured_paths, static_path
from bitlens.analysis import Analysis
from bitlens.editing.code import Code, argument
from bitlens.editing.excluding import Quantization, excluded, first_of, matches, quantizations
from bitlens.editing.offers import Offer, Span

_CONVERTED = {"Linear", "Conv2d", "LayerNorm", "MultiheadAttention"}


def _offers(analysis: Analysis, code: Code, span: Span) -> Iterator[Offer]:
    calls = [call for call in quantizations(code) if call.can_exclude] if "quantize" in code.text else []
    names = Counter(call.model for call in calls)
    for call in calls:
        paths, everything = _paths(analysis, code, span, call)
        left = tuple(path for path in paths if not matches(argument(call.call, "exclude"), path))
        where = f" (line {call.atom.line})" if names[call.model] > 1 else ""
        if left:
            yield _offer(code, call, left, everything, where)


def _offer(
    code: Code, call: Quantization, paths: tuple[str, ...], everything: tuple[str, ...], where: str
) -> Offer:
    text = f"Exclude {first_of(paths)} from the quantization of `{call.model}`{where}"
    return rewrite("exclude", text, lambda: excluded(code, call, paths, everything))


def _paths(
    analysis: Analysis, code: Code, span: Span, call: Quantization
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The layers that the lines make in this model, and all of its layers as far as they are known."""
    for line in range(span.line, min(span.end_line, span.line + 50) + 1):
        measured = measured_paths(analysis, line)
        if measured is not None and call.is_about(measured[1]):
            return measured[0], tuple(layer.path for layer in measured[1].numbers.model.layers)
    if call.bound is None:
        return (), ()
    layers = [layer for layer in layer_calls(code, span) if layer.type in _CONVERTED]
    found = tuple(path for layer in layers if (path := static_path(layer, call.bound, call.atom)))
    return found, found


ACTION = Action("exclude", _offers)

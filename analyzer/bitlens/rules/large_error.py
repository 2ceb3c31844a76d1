"""A layer that the program's quantization changes more than it should.

## What it does
Finds layers whose measured weight error under the int8 or int4 format that the program quantizes to (with
quanto, torchao, or torch.ao's dynamic quantization) is over a threshold: `diagnostics.int8-error` (0.02) and
`diagnostics.int4-error` (0.15). Needs a measurement, of the model as it is before it is quantized.

## Why is this bad?
The error is ‖W−Ŵ‖/‖W‖ over the layer's weights. Layers far above the others usually hold outliers, and
leaving these few in float costs little memory. It is the error of the weights, not of the model's answers:
try both.

## Example
```python
quantize(model, weights=qint4)
```

## Use instead
```python
quantize(model, weights=qint4, exclude="lm_head")
```

## Fix
Adds the layers to `exclude=` of quanto's call. Unsafe: the model takes more memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.code import Code, argument
from bitlens.editing.excluding import Quantization, excluded, first_of, matches, quantizations
from bitlens.editing.offers import Offer
from bitlens.measurement import Layer
from bitlens.rules._layers import LayerLine, layer_lines
from bitlens.rules._rule import Found, Rule, fix


def _find(analysis: Analysis, code: Code) -> Iterator[Found]:
    limits = {8: analysis.settings.diagnostics.int8_error, 4: analysis.settings.diagnostics.int4_error}
    calls = [(call, limits[bits]) for call in quantizations(code) if (bits := _bits(call)) in limits]
    if not calls:
        return
    for place in layer_lines(analysis, code):
        for call, limit in calls:
            if call.is_about(place.placed):
                worse = [layer for layer in place.layers if _error(layer, call) > limit]
                if worse:
                    yield _found(code, place, call, worse, limit)


def _bits(call: Quantization) -> int | None:
    """Bits of an integer format that is measured."""
    name = re.search(r"int(8|4)", call.scheme)
    return int(name[1]) if name else None


def _error(layer: Layer, call: Quantization) -> float:
    result = layer.schemes.get(call.scheme)
    if result is None or result.relative_error is None or not result.converted:
        return 0.0
    include = argument(call.call, "include")
    if matches(argument(call.call, "exclude"), layer.path) or (
        include is not None and not matches(include, layer.path)
    ):
        return 0.0
    return result.relative_error


def _found(code: Code, place: LayerLine, call: Quantization, worse: list[Layer], limit: float) -> Found:
    worst = max(worse, key=lambda layer: _error(layer, call))
    many = f"×{len(worse)}, worst " if len(worse) > 1 else ""
    message = (
        f"{many}`{worst.path}`: {call.scheme} changes its weights by {_error(worst, call):.1%}"
        f" (threshold {limit:.1%}). Leave it in float."
    )
    return Found(place.span, message, worst.path, _repair(code, call, place, worse))


def _repair(code: Code, call: Quantization, place: LayerLine, worse: list[Layer]) -> Offer | None:
    paths = tuple(layer.path for layer in worse)
    everything = tuple(layer.path for layer in place.placed.numbers.model.layers)
    if not call.can_exclude:
        return None
    return fix(RULE.code, f"Exclude {first_of(paths)}", lambda: excluded(code, call, paths, everything))


RULE = Rule("BL501", "large-error", "warning", ("quantize",), _find, measured=True)

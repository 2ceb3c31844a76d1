"""Weights that float16 cannot hold.

## What it does
Finds layers whose measured weights become infinite in float16, in a program that casts to float16. Needs a
measurement.

## Why is this bad?
float16 ends at 65504. A weight beyond it becomes `inf`, and every answer that it reaches becomes `inf` or
`nan`.

## Example
```python
model = Net().half()
```

## Use instead
```python
model = Net().bfloat16()
```

## Fix
None: bfloat16 has float32's range and fewer digits, and which of them the model can do without is yours to
decide.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.acts import cast_to, dtype_named
from bitlens.editing.code import Code
from bitlens.measurement import Layer
from bitlens.rules._layers import LayerLine, layer_lines
from bitlens.rules._rule import Found, Rule


def _find(analysis: Analysis, code: Code) -> Iterator[Found]:
    if not any(_asks(code, call) for _, _, call in code.calls()):
        return
    for place in layer_lines(analysis, code):
        lost = [(layer.path, count) for layer in place.layers if (count := _lost(layer))]
        broken = [layer.path for layer in place.layers if _is_broken(layer)]
        if lost:
            count = sum(number for _, number in lost)
            what = f"{count} weights become infinite in float16, which ends at 65504"
            yield _found(place, what, [path for path, _ in lost])
        elif broken and place.placed.numbers.model.weights != "shapes":
            yield _found(place, "float16 weights are infinite or NaN: float16 ends at 65504", broken)


def _asks(code: Code, call: ast.Call) -> bool:
    named = [keyword.value for keyword in call.keywords if keyword.arg in {"dtype", "torch_dtype"}]
    return cast_to(code, call) == "float16" or any(dtype_named(code, value) == "float16" for value in named)


def _lost(layer: Layer) -> int:
    """Values that become infinite in float16."""
    result = layer.schemes.get("float16")
    return (result.overflow or 0) if result is not None else 0


def _is_broken(layer: Layer) -> bool:
    """Whether a layer that is float16 already has weights of which no error can be told."""
    results = [result for result in layer.schemes.values() if result.converted]
    return layer.dtype == "float16" and bool(results) and all(r.relative_error is None for r in results)


def _found(place: LayerLine, what: str, paths: list[str]) -> Found:
    named = ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "")
    return Found(place.span, f"{what} ({named}). bfloat16 holds them.", paths[0])


RULE = Rule("BL403", "half-overflow", "error", ("half|float16",), _find, measured=True)

"""A model larger than its budget or its device.

## What it does
Finds models whose parameters and buffers take more than `diagnostics.budget` of `[tool.bitlens]`.

## Why is this bad?
Activations, caches, gradients and the optimizer come on top: a model that is itself larger than the memory
cannot even be loaded.

## Example
```toml
[tool.bitlens]
diagnostics.budget = "8GB"
```

## Use instead
A smaller dtype (`dtype=torch.bfloat16`), or a quantized model; the message says which formats would fit.

## Fix
None here; the code actions on the model's line load it in another dtype or quantize it.
"""

from __future__ import annotations

from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.code import Code
from bitlens.numbers import Numbers
from bitlens.quantities import parse_size
from bitlens.rules._rule import Found, Rule


def _find(analysis: Analysis, code: Code) -> Iterator[Found]:
    budget = parse_size(analysis.settings.diagnostics.budget or "0")
    if not budget:
        return
    for line, models in sorted(analysis.models.items()):
        for placed in models:
            size = placed.numbers.model.bytes + placed.numbers.model.buffer_bytes
            if size > budget and not placed.stale and line <= code.line_count:
                message = f"{_said(placed.numbers, size, budget)}"
                yield Found(code.line_span(line), message, placed.numbers.model.name)


def _said(numbers: Numbers, size: int, budget: int) -> str:
    fitting = [
        id for id, result in numbers.model.schemes.items() if result.bytes + result.buffer_bytes <= budget
    ]
    way_out = f"It would fit as {', '.join(fitting)}." if fitting else "No measured format makes it fit."
    return f"`{numbers.model.name}` takes {size:,} bytes, over the budget of {budget:,}. {way_out}"


RULE = Rule("BL502", "too-large", "warning", (), _find)

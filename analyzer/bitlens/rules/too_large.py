"""A model larger than its budget or its device.

## What it does
Finds models whose parameters and buffers take more than `diagnostics.budget` of `[tool.bitlens]`, where the
source alone tells their size or they were measured; or more than the whole memory of the device on which they
were measured.

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
from bitlens.quantities import parse_size, size
from bitlens.rules._rule import Found, Rule


def _find(analysis: Analysis, code: Code) -> Iterator[Found]:
    budget = parse_size(analysis.settings.diagnostics.budget or "0")
    for line, models in sorted(analysis.models.items()):
        for placed in models:
            limit, of = _limit(placed.numbers, budget)
            if limit and _size(placed.numbers) > limit and not placed.stale and line <= code.line_count:
                message = _said(placed.numbers, limit, of)
                yield Found(code.line_span(line), message, placed.numbers.model.name)


def _limit(numbers: Numbers, budget: int) -> tuple[int, str]:
    """The bytes that a model may take, 0 where nothing is known, and whose they are."""
    environment = numbers.environment
    device = environment.device_memory or 0
    if budget and (not device or budget <= device):
        return budget, "the budget"
    return device, f"the memory of {environment.device_name or environment.device}"


def _size(numbers: Numbers) -> int:
    return numbers.model.memory or 0


def _said(numbers: Numbers, limit: int, of: str) -> str:
    schemes = numbers.model.schemes.items()
    fitting = [id for id, result in schemes if result.bytes + result.buffer_bytes <= limit]
    if fitting:
        way_out = f"It would fit as {', '.join(fitting)}."
    else:
        way_out = "No measured format makes it fit." if schemes else "A measurement says what would fit."
    taken = f"{size(_size(numbers))}, more than {of} ({size(limit)})"
    return f"`{numbers.model.name}` takes {taken}. {way_out}"


RULE = Rule("BL502", "too-large", "warning", (), _find)

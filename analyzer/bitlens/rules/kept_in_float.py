"""A quantized model whose memory is mostly one layer that the library leaves in float32.

## What it does
Finds embeddings and linear layers (an output head, for the most part) that stay float32 in a measured model
that is quantized, each with a fifth or more of the memory that is left. Layers that `exclude=` names are left
alone. Needs a measurement.

## Why is this bad?
Nothing says that these layers are not converted, so the saving that you count on is not there: libraries
convert `Linear` and `Conv2d`, hardly ever an `Embedding`, and transformers leaves the output head and what is
tied to it alone. The embedding of a small language model can be half of its weights. What is not quantized
still takes half the memory in bfloat16.

## Example
```python
model = LlamaForCausalLM(config)
quantize(model, weights=qint8)
freeze(model)
```

## Use instead
```python
model = LlamaForCausalLM(config).to(torch.bfloat16)
quantize(model, weights=qint8)
freeze(model)
```

## Fix
None. bfloat16 has three significant digits: where the rest of the model may not lose more, keep float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bitlens.analysis import Analysis
from bitlens.editing.code import Code, argument
from bitlens.editing.excluding import Quantization, matches, quantizations
from bitlens.measurement import Layer, Model
from bitlens.quantities import size
from bitlens.rules._layers import LayerLine, layer_lines
from bitlens.rules._rule import Found, Rule

SHARE = 0.2
"""Of the memory that is left, from which a layer is told about."""
_FLOATS = {"float64", "float32", "float16", "bfloat16"}


def _find(analysis: Analysis, code: Code) -> Iterator[Found]:
    calls = quantizations(code)
    for place in layer_lines(analysis, code):
        if place.placed.numbers.model.file != place.placed.file:
            continue  # a library's line, which its user cannot change
        about = [call for call in calls if call.is_about(place.placed)]
        total = _left(place.placed.numbers.model, about)
        kept = [layer for layer in place.layers if total and _is_large(layer, about, total)]
        if kept and total:
            yield _found(place, kept, total)


def _is_large(layer: Layer, calls: Sequence[Quantization], total: int) -> bool:
    return _kept(layer, calls) and layer.bytes >= SHARE * total


def _left(model: Model, calls: Sequence[Quantization]) -> int | None:
    """Bytes of the quantized model; None for one that nothing quantizes."""
    if any(dtype not in _FLOATS for dtype in model.dtypes):
        return model.bytes
    results = [model.schemes[call.scheme] for call in calls if call.scheme in model.schemes]
    return min((result.bytes for result in results), default=None)


def _kept(layer: Layer, calls: Sequence[Quantization]) -> bool:
    """Whether it is a float32 layer that the library leaves alone, though nobody said so."""
    wanted = layer.dtype == "float32" and ("Embedding" in layer.type or layer.type == "Linear")
    chosen = any(
        matches(argument(call.call, "exclude"), layer.path) or argument(call.call, "include") is not None
        for call in calls
    )
    results = [layer.schemes[call.scheme] for call in calls if call.scheme in layer.schemes]
    return wanted and not chosen and not any(result.converted for result in results)


def _found(place: LayerLine, kept: Sequence[Layer], total: int) -> Found:
    first = kept[0]
    others = f" and {len(kept) - 1} more" if len(kept) > 1 else ""
    taken = sum(layer.bytes for layer in kept)
    message = (
        f"`{first.path}` ({first.type}){others} stays float32: {size(taken)} of the {size(total)} that the"
        " quantized model takes. Load or convert the model to bfloat16 first, which halves that."
    )
    return Found(place.span, message, first.path)


RULE = Rule("BL503", "kept-in-float", "information", ("quantiz|load_in|Config",), _find, measured=True)

"""Layers that the library never converts, though the program asks for them.

## What it does
Finds classes in torch.ao's `quantize_dynamic(model, {…})` that it does not convert or refuses, `include=`
patterns of quanto's `quantize` that name embeddings or norms, and quanto's `quantize` of a bare layer.

## Why is this bad?
Nothing says that the layer stays as it is, so the saving that you count on is not there. quanto converts
`Linear` and `Conv2d` (and `LayerNorm` where activations are quantized), never an `Embedding`; the embedding
of a small language model can be half of its weights. torch.ao's dynamic quantization converts `Linear`,
recurrent layers and cells, skips `Conv2d` in silence, and raises an error on `Embedding`. quanto cannot
convert a layer that is not part of a model: the call leaves it without weights.

## Example
```python
quantize(model, weights=qint8, include="*embed_tokens")
```

## Use instead
```python
quantize(model, weights=qint8)  # linear layers; the embedding stays as it is
```

## Fix
Takes out of the set of torch.ao the classes that it does not convert in silence. Safe: the result is the
same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bitlens.analysis import Analysis
from bitlens.editing.acts import Act, acts
from bitlens.editing.code import Code, Region, argument, chained
from bitlens.editing.offers import TextEdit
from bitlens.rules._rule import Found, Rule, fix
from bitlens.source.slicing.scopes import Atom

DYNAMIC = {"Linear", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"}
"""Classes of torch.nn that torch.ao's quantize_dynamic converts."""
REFUSED = {"Embedding", "EmbeddingBag"}
"""Classes on which it raises an error, since they need another configuration."""
SKIPPED = re.compile(
    r"(Conv(Transpose)?[123]d|(Batch|Instance)Norm[123]d|(Layer|Group|RMS)Norm|Bilinear|PReLU)$"
)
"""Classes that it leaves alone in silence."""
_EMBEDDING = re.compile(r"embed|(^|[._*])(wte|wpe|tok_emb|word_emb)($|[._*])", re.IGNORECASE)
_NORM = re.compile(r"norm|(^|[._*])ln(_\w+)?($|[._*])", re.IGNORECASE)


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    for region in code.regions:
        for act in acts(code, region):
            if act.kind != "quantize":
                continue
            if act.detail == "torch.ao":
                yield from _dynamic(code, region, act)
            elif act.detail == "quanto":
                yield from _patterns(code, region, act)
                yield from _bare(code, region, act)


def _dynamic(code: Code, region: Region, act: Act) -> Iterator[Found]:
    given = argument(act.call, "qconfig_spec", 1)
    if not code.meaning(act.call.func).endswith("quantize_dynamic") or not isinstance(given, ast.Set):
        return
    if act.model not in {chained(a) for a in [*act.call.args, *(k.value for k in act.call.keywords)]}:
        return  # the variable that gets the result: the same call, told once
    for item in given.elts:
        name = code.meaning(item).removeprefix("torch.nn.")
        if name in REFUSED or SKIPPED.match(name):
            yield _skipped(code, region, act, given, item, name)


def _skipped(code: Code, region: Region, act: Act, given: ast.Set, item: ast.expr, name: str) -> Found:
    span, subject = code.span(item, act.atom), f"{region.name}:{act.model}:{name}"
    if name in REFUSED:
        message = f"quantize_dynamic raises an error on {name}: it needs `float_qparams_weight_only_qconfig`."
        return Found(span, message, subject)
    message = (
        f"quantize_dynamic leaves {name} as it is without a word; it converts {', '.join(sorted(DYNAMIC))}."
    )
    if len(given.elts) == 1:
        return Found(span, message, subject)
    title = f"Take {name} out of the set"
    return Found(
        span, message, subject, fix(RULE.code, title, lambda: _without(code, act.atom, given, item), True)
    )


def _without(code: Code, atom: Atom, given: ast.Set, item: ast.expr) -> tuple[TextEdit, ...]:
    position = given.elts.index(item)
    if position + 1 < len(given.elts):
        return (TextEdit(code.start(item, atom), code.start(given.elts[position + 1], atom), ""),)
    return (TextEdit(code.end(given.elts[position - 1], atom), code.end(item, atom), ""),)


def _patterns(code: Code, region: Region, act: Act) -> Iterator[Found]:
    given = argument(act.call, "include")
    items = given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given] if given is not None else []
    activations = argument(act.call, "activations", 2) is not None
    for item in items:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            kind = (
                "embeddings"
                if _EMBEDDING.search(item.value)
                else "norms"
                if _NORM.search(item.value)
                else None
            )
            if kind == "embeddings" or (kind == "norms" and not activations):
                message = f"quanto never converts {kind}: what {item.value!r} names keeps its float weights."
                yield Found(code.span(item, act.atom), message, f"{region.name}:{act.model}:{item.value}")


def _bare(code: Code, region: Region, act: Act) -> Iterator[Found]:
    class_name = region.variables.get(act.model, "")
    if class_name in {"torch.nn.Linear", "torch.nn.Conv2d"}:
        message = (
            f"`{act.model}` is a single layer: quanto replaces layers inside a model, and leaves this one"
            f" without weights."
            " Put it in an nn.Sequential."
        )
        yield Found(code.span(act.call, act.atom), message, f"{region.name}:{act.model}")


RULE = Rule(
    "BL105",
    "never-converted",
    "warning",
    ("quantize", "quanto|torchao|torch.ao|torch.quantization|import quantization"),
    _find,
)

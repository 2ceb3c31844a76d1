"""What a hover says: tables of tensors and schemes, and where each number comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitlens import schemes
from bitlens.analysis import Analysis, Entry, Placed
from bitlens.features import formats, markdown, picture
from bitlens.features.under_cursor import Target, target_at
from bitlens.measurement import Layer
from bitlens.quantities import count, percent, size

_MOST_PATHS = 4


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown, and the text that it is about: (line from 1, column in UTF-8 bytes) twice."""

    text: str
    start: tuple[int, int]
    end: tuple[int, int]


def hover(analysis: Analysis, line: int, column: int, pictures: bool = False) -> Hover | None:
    """What stands at a place, if it is anything of ours; `pictures` where the client shows them."""
    target = target_at(analysis, line, column)
    if target is None:
        return None
    text = _about(analysis, target, pictures)
    return None if text is None else Hover(text, target.start, target.end)


def _about(analysis: Analysis, target: Target, pictures: bool) -> str | None:
    if target.kind == "format":
        return formats.describe(target.name)
    if target.kind == "tensor":
        return _of_tensor(analysis, target)
    if target.kind == "quantize":
        return _of_quantize(analysis, target)
    return of_line(analysis, target.start[0], pictures)


def of_line(analysis: Analysis, line: int, pictures: bool = False) -> str | None:
    """Everything about what a line constructs."""
    pictures = pictures and analysis.settings.hover.pictures
    if line in analysis.models:
        return "\n\n---\n\n".join(_model(placed) for placed in analysis.models[line])
    entries = analysis.lines.get(line)
    return None if not entries else "\n\n---\n\n".join(_entry(entry, pictures) for entry in entries[:3])


def of_topic(analysis: Analysis, line: int, topic: str) -> str | None:
    """What one part of a hint is about."""
    if topic == "memory":
        return of_line(analysis, line)
    placed = analysis.models.get(line)
    entries = analysis.lines.get(line)
    results = (
        placed[0].numbers.model.schemes if placed else dict(entries[0].numbers.schemes) if entries else {}
    )
    if topic not in results:
        return None
    chosen = {topic: results[topic]}
    scheme = schemes.get(topic)
    parts = [f"**{scheme.title}**, {scheme.bits} bits, scales per {scheme.granularity}"]
    parts += [markdown.scheme_table(chosen, None), *markdown.notes(chosen), markdown.NOT_DAMAGE]
    return "\n\n".join(parts)


def _entry(entry: Entry, pictures: bool) -> str:
    numbers = entry.numbers
    whole = None if numbers.bytes is None else numbers.bytes + numbers.buffer_bytes
    head = f"{_what(entry)} · {count(numbers.parameters)} parameters · {size(whole)}"
    if numbers.certainty == "unknown":
        elements = numbers.formula or "an unknown number of"
        head = f"{_what(entry)} · {elements} parameters; the source does not tell {numbers.missing}"
    elif numbers.certainty == "range" and numbers.least_bytes is not None:
        least = f"{count(numbers.least_parameters)} parameters, {size(numbers.least_bytes)}"
        head = f"{head} at most; at least {least}: a test is not decided by the source"
    parts = [head, *_tensors(numbers.layers, entry.placed)]
    parts += _spread(entry, pictures)
    if numbers.schemes:
        parts += [
            markdown.scheme_table(dict(numbers.schemes), numbers.bytes),
            *markdown.notes(dict(numbers.schemes)),
        ]
    parts += [layer.note for layer in numbers.layers[:_MOST_PATHS] if layer.note]
    parts.append(_from(entry.placed, bool(numbers.schemes)))
    return "\n\n".join(parts)


def _tensors(layers: Sequence[Layer], placed: Placed) -> list[str]:
    return [markdown.tensor_table(layers, placed.numbers.environment.device)] if layers else []


def _spread(entry: Entry, pictures: bool) -> list[str]:
    """How the weights of the line's first layer are spread."""
    layer = next((layer for layer in entry.numbers.layers if layer.histogram), None)
    if layer is None or layer.histogram is None:
        return []
    whose = f" of `{layer.path}`" if len(entry.numbers.layers) > 1 else ""
    words = f"Weights{whose} from {picture.caption(layer.histogram)}"
    if not pictures:
        return [f"{words}: `{picture.sparkline(layer.histogram)}`"]
    levels = "below, 256 (int8) and 16 (int4) levels over that range; scales per channel or group are finer"
    return [f"![weights]({picture.data_uri(layer.histogram)})", f"{words}; {levels}."]


def _what(entry: Entry) -> str:
    numbers = entry.numbers
    types = ", ".join(numbers.types[:3]) + (" …" if len(numbers.types) > 3 else "")
    times = f" ×{len(numbers.paths)}" if len(numbers.paths) > 1 else ""
    paths = ", ".join(f"`{path}`" for path in numbers.paths[:_MOST_PATHS])
    more = f" and {len(numbers.paths) - _MOST_PATHS} more" if len(numbers.paths) > _MOST_PATHS else ""
    return f"**{types}**{times} {paths}{more}"


def _model(placed: Placed) -> str:
    model = placed.numbers.model
    dtypes = ", ".join(f"{count(n)} {name}" for name, n in model.dtypes.items())
    parts = [
        f"**{model.class_}** `{model.name}` · {count(model.parameters)} parameters ({dtypes})"
        f" · {size(model.bytes)} and {size(model.buffer_bytes)} of buffers",
    ]
    if model.schemes:
        parts.append(markdown.scheme_table(model.schemes, model.bytes))
    largest = sorted(model.layers, key=lambda layer: -layer.bytes)[:5]
    rows = [
        [f"`{layer.path}`", layer.type, size(layer.bytes), _share(layer.bytes, model.bytes)]
        for layer in largest
    ]
    parts.append(markdown.table(["largest layers", "type", "bytes", "share"], rows, left=2))
    parts.append(_from(placed, bool(model.schemes)))
    return "\n\n".join(parts)


def _share(part: int, whole: int | None) -> str:
    return percent(part / whole) if whole else ""


def _from(placed: Placed, has_errors: bool) -> str:
    words = markdown.origin(placed.numbers, placed.stale)
    return f"{words} {markdown.NOT_DAMAGE}" if has_errors else words


def _of_tensor(analysis: Analysis, target: Target) -> str | None:
    """`self.fc.weight`: the tensors of that name in layers that are called so."""
    owner, _, name = target.name.rpartition(".")
    found = []
    for placed in analysis.placed:
        layers = [layer for layer in placed.numbers.model.layers if _is_called(layer.path, owner)]
        layers = [layer for layer in layers if any(tensor.name == name for tensor in layer.tensors)]
        if layers:
            found.append("\n\n".join([*_tensors(layers, placed), _from(placed, False)]))
    return "\n\n---\n\n".join(found[:2]) or None


def _is_called(path: str, owner: str) -> bool:
    return path == owner or path.endswith("." + owner)


def _of_quantize(analysis: Analysis, target: Target) -> str | None:
    """A call that quantizes: what it does, and what it would leave of the models of this file."""
    text = formats.call(target.name)
    models = _totals([placed for placed in analysis.placed if placed.numbers.model.schemes])
    return None if text is None else "\n\n".join([text, *models])


def _totals(placed: Sequence[Placed]) -> list[str]:
    return [
        "\n\n".join(
            [
                f"Model `{one.numbers.model.name}`:",
                markdown.scheme_table(one.numbers.model.schemes, one.numbers.model.bytes),
                _from(one, True),
            ]
        )
        for one in placed[:2]
    ]

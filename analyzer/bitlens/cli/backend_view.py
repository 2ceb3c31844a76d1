"""`analyze --backend`: the model as one library would leave it, and the layers that it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bitlens.cli.layers import (
    AS_IS,
    ESTIMATE,
    WEIGHT_ERROR,
    View,
    error_text,
    has_parameters,
    known_columns,
    rows,
    same,
)
from bitlens.cli.messages import place_of
from bitlens.cli.report_view import headline, patterns, provenance, some
from bitlens.cli.table import Block, Column, Table, Words, problem_lines
from bitlens.cli.tree import Node
from bitlens.measurement import Layer, Model, Report
from bitlens.quantities import NO_VALUE, UNKNOWN, count, percent, percent_range, size

LEGEND = (
    "now and then: bytes of the parameters before and after, tied weights once; buffers in parentheses.\n"
    "weight error is ‖W−Ŵ‖/‖W‖ over the converted weights; it is not the harm to the model's answers."
)

_COLUMNS = (
    Column(("layer",), "left"),
    Column(("type",), "left", 4),
    Column(("params",), "right", 6),
    Column(("dtype",), "left", 5),
    Column(("now",)),
    Column(("stored as",), "left"),
    Column(("then",)),
    Column((WEIGHT_ERROR,)),
    Column(("line",), "left", 2),
)


def backend_blocks(report: Report, scheme: str, view: View) -> list[Block]:
    """Everything that `analyze --backend` shows, top to bottom."""
    blocks: list[Block] = []
    for model in report.models:
        blocks += [*_model(model, scheme, view), Words("")]
    blocks += [Words(line, "quiet") for line in LEGEND.splitlines()]
    return blocks + list(problem_lines(report.problems))


def _model(model: Model, scheme: str, view: View) -> Iterator[Block]:
    yield Words(headline(model), "title")
    yield Words(_sentence(model, scheme))
    yield Words(provenance(model))
    if model.layers:
        yield Words("")
        listed = list(rows(model, view))
        shown = listed[: view.top] if view.top else listed
        cells = tuple((name, *_cells(node, has_below, scheme)) for name, node, has_below in shown)
        yield known_columns(Table(_COLUMNS, cells))
        if len(listed) > len(shown):
            yield Words(f"… and {len(listed) - len(shown)} more; --top shows more", "quiet")
    remarks = [*_left_alone(model, scheme), *_remarks(model, scheme), *problem_lines(model.problems)]
    yield from [Words(""), *remarks] if remarks else []


def _sentence(model: Model, scheme: str) -> str:
    """The whole in one line: bytes before and after, and the error."""
    result = model.schemes.get(scheme)
    if result is None:
        return f"{scheme}: {UNKNOWN}"
    share = f" ({percent(result.bytes / model.bytes)})" if model.bytes else ""
    buffers = f" + {size(result.buffer_bytes)} buffers" if result.buffer_bytes else ""
    sizes = f"{size(model.bytes)} now, {size(result.bytes)} then{share}{buffers}"
    done = sum(layer.schemes[scheme].converted for layer in model.layers if scheme in layer.schemes)
    layers = sum(map(has_parameters, model.layers))
    error = f" · {WEIGHT_ERROR} {error_text(result)}" if result.converted else ""
    return f"{scheme}: {sizes} · {done} of {layers} layers converted{error}"


def _cells(node: Node, has_below: bool, scheme: str) -> tuple[Words, ...]:
    layers = list(node.all_layers())
    known = [layer for layer in layers if scheme in layer.schemes]
    now, then = _sum(layers, None), _sum(known, scheme)
    parameters = Words(count(sum(layer.parameters for layer in layers)))
    if has_below:
        kind = same([layer.type for layer in node.layers], "")
        return (Words(kind, "quiet"), parameters, Words(""), Words(now), *_blank(1), Words(then), *_blank(2))
    holding = list(filter(has_parameters, layers)) or layers
    return (
        Words(same([layer.type for layer in layers], f"{len(layers)} layers"), "quiet"),
        parameters,
        Words(same([layer.dtype for layer in holding], "mixed")),
        Words(now),
        _stored_as(list(filter(has_parameters, known)), scheme),
        Words(then),
        _error(known, scheme),
        Words(same([place_of(one, Path(one.file).name) if one.file else "" for one in layers], ""), "quiet"),
    )


def _blank(times: int) -> list[Words]:
    return [Words("")] * times


def _sum(layers: Sequence[Layer], scheme: str | None) -> str:
    """Bytes of the parameters, of the buffers (in parentheses) where there are no parameters."""
    holders = layers if scheme is None else [layer.schemes[scheme] for layer in layers]
    if any(map(has_parameters, layers)):
        return size(sum(holder.bytes for holder in holders))
    return f"({size(sum(holder.buffer_bytes for holder in holders))})"


def _stored_as(layers: Sequence[Layer], scheme: str) -> Words:
    """The format in which the row's layers lie afterwards."""
    if not layers:
        return Words(NO_VALUE, "quiet")
    found = {_format_of(layer, scheme) for layer in layers}
    return Words(" / ".join(sorted(found)), "quiet" if found == {AS_IS} else "")


def _format_of(layer: Layer, scheme: str) -> str:
    result = layer.schemes[scheme]
    if result.converted:
        return result.instead or scheme
    return AS_IS if result.bytes == layer.bytes else "cast"


def _error(layers: Sequence[Layer], scheme: str) -> Words:
    results = [layer.schemes[scheme] for layer in layers if layer.schemes[scheme].converted]
    errors = [result.relative_error for result in results if result.relative_error is not None]
    if not results:
        return Words("")
    unmeasured = len(results) - len(errors)
    if not errors:
        return Words(UNKNOWN, "warning")
    about = ESTIMATE if any(result.interval for result in results) else ""
    return Words(about + percent_range(min(errors), max(errors)), "warning" if unmeasured else "")


def _left_alone(model: Model, scheme: str) -> Iterator[Words]:
    """Each reason once, with the layers and their size."""
    reasons: dict[str, list[Layer]] = {}
    for layer in model.layers:
        result = layer.schemes.get(scheme)
        if result is not None and not result.converted and has_parameters(layer):
            reasons.setdefault(result.note or UNKNOWN, []).append(layer)
    if reasons:
        yield Words("left alone:", "group")
    for reason, layers in reasons.items():
        amount = size(sum(layer.schemes[scheme].bytes for layer in layers))
        yield Words(f"  {reason}: {some(patterns([layer.path for layer in layers]))}, {amount}")


def _remarks(model: Model, scheme: str) -> Iterator[Words]:
    """What is special about the layers that are converted."""
    about: dict[str, list[str]] = {}
    for layer in model.layers:
        result = layer.schemes.get(scheme)
        if result is not None and result.converted and result.note:
            about.setdefault(result.note, []).append(layer.path)
    for note, paths in about.items():
        yield Words(f"note: {note} ({some(patterns(paths))})", "warning")

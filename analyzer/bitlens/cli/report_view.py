"""A report as lines and tables: what a person reads about each model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bitlens.cli.layers import ESTIMATE, WEIGHT_ERROR, View, error_text, has_parameters, layer_table
from bitlens.cli.messages import place_of
from bitlens.cli.table import Block, Column, Table, Words, problem_lines
from bitlens.measurement import Line, Model, Report, SchemeResult
from bitlens.quantities import NO_VALUE, UNKNOWN, count, percent, size
from bitlens.report_json import relative_file

LEGEND = (
    "Sizes are decimal (1 MB = 1,000,000 bytes) and count tied weights once. "
    "Buffers are in parentheses. A row ×N sums up N modules and gives the range of their errors.\n"
    "weight error is ‖W−Ŵ‖/‖W‖, what rounding does to the weights; it is not the harm to the model's answers."
)


def report_blocks(report: Report, view: View) -> list[Block]:
    """Everything that `analyze` shows, top to bottom."""
    blocks: list[Block] = []
    for model in report.models:
        blocks += [*_model_blocks(model, view), Words("")]
    if any(model.layers for model in report.models):
        blocks += [Words(line, "quiet") for line in LEGEND.splitlines()]
    if any(result.interval for model in report.models for result in model.schemes.values()):
        blocks.append(Words(f"{ESTIMATE} is an estimate from sampled rows, with its 95 % interval.", "quiet"))
    return blocks + list(problem_lines(report.problems))


def _model_blocks(model: Model, view: View) -> Iterator[Block]:
    yield Words(headline(model), "title")
    yield Words(_amounts(model))
    yield Words(provenance(model))
    if model.layers:
        yield Words("")
        schemes = dict.fromkeys(name for layer in model.layers for name in layer.schemes)
        table, left_out = layer_table(model, list(model.schemes or schemes), view)
        yield table
        if left_out:
            yield Words(f"… and {left_out} more; --top shows more", "quiet")
    listed = [line for line in model.lines if not model.layers or _is_uncertain(line)]
    if listed:
        yield Words("")
        yield _line_table(listed)
    if model.schemes:
        yield Words("")
        yield _scheme_table(model)
    remarks = [*(Words(note, "quiet") for note in _notes(model)), *problem_lines(model.problems)]
    yield from [Words(""), *remarks] if remarks else []


def headline(model: Model) -> str:
    """Name, class and place of a model."""
    name = f"{model.name}: {model.class_}" if model.name != model.class_ else model.name
    if model.file is None:
        return name
    return f"{name}  ({place_of(model, relative_file(model.file, Path.cwd()))})"


def _amounts(model: Model) -> str:
    dtypes = sorted(model.dtypes.items(), key=lambda item: -item[1])
    kinds = dtypes[0][0] if len(dtypes) == 1 else ", ".join(f"{count(n)} {name}" for name, n in dtypes)
    parts = [f"{count(model.parameters)} parameters", kinds or f"dtype {UNKNOWN}", size(model.bytes)]
    return " · ".join(parts) + (f" + {size(model.buffer_bytes)} buffers" if model.buffer_bytes else "")


def provenance(model: Model) -> str:
    """Where the numbers come from, in plain words."""
    source = relative_file(model.weights_from, Path.cwd()) if model.weights_from else None
    if model.weights == "checkpoint":
        return f"weights: the values of the checkpoint {source or ''}".rstrip()
    because = f" ({source})" if source else ""
    if model.weights == "initial":
        return f"weights: freshly initialised, not trained{because}; a trained model has other errors"
    sizes = "what the source does not tell is ?" if model.memory is None else "sizes are exact"
    return f"weights: none, from shapes alone{because}; {sizes}, errors unknown"


def _line_table(lines: Sequence[Line]) -> Table:
    columns = (
        Column(("line",), "left"),
        Column(("layer",), "left"),
        Column(("count",)),
        Column(("params",)),
        Column(("size",)),
    )
    return Table(columns, tuple(_line_row(line) for line in lines))


def _is_uncertain(line: Line) -> bool:
    """Whether the source leaves open what a line weighs."""
    return line.certainty != "exact" and line.parameters != 0


def _line_row(line: Line) -> tuple[Words, ...]:
    place = place_of(line, relative_file(line.file, Path.cwd()))
    parameters, taken = count(line.parameters), size(line.bytes)
    if line.certainty == "range":
        parameters = f"{count(line.least_parameters)} to {parameters}"
        taken = f"{size(line.least_bytes)} to {taken}"
    elif line.certainty == "unknown":
        parameters = line.formula or (f"{UNKNOWN} ({line.missing})" if line.missing else UNKNOWN)
    amounts = (UNKNOWN if line.certainty == "unknown" else count(line.count), parameters, taken)
    return (Words(place), Words(some(patterns(line.paths))), *map(Words, amounts))


def _scheme_table(model: Model) -> Table:
    casts = [
        name for name in ("overflow", "underflow") if any(getattr(r, name) for r in model.schemes.values())
    ]
    titles = {"overflow": "to inf", "underflow": "to 0"}
    columns = (
        Column(("if converted to",), "left"),
        Column(("size",)),
        Column(("of now",)),
        Column((WEIGHT_ERROR,)),
    )
    now = (
        Words("(now)", "quiet"),
        Words(size(model.bytes)),
        Words("100%"),
        *[Words(NO_VALUE, "quiet")] * (1 + len(casts)),
    )
    rows = [_scheme_row(name, result, model.bytes, casts) for name, result in model.schemes.items()]
    return Table((*columns, *(Column((titles[name],)) for name in casts)), (now, *rows))


def _scheme_row(name: str, result: SchemeResult, now: int | None, casts: list[str]) -> tuple[Words, ...]:
    share = percent(result.bytes / now) if now else UNKNOWN
    error = error_text(result) if result.converted else "nothing converted"
    counts = (getattr(result, cast) for cast in casts)
    cells = (
        Words(NO_VALUE, "quiet") if n is None else Words(count(n), "warning" if n else "") for n in counts
    )
    return (Words(name), Words(size(result.bytes)), Words(share), Words(error), *cells)


def _notes(model: Model) -> Iterator[str]:
    """Each remark once, with the layers that it is about."""
    about: dict[str, list[str]] = {}
    for layer in model.layers:
        if layer.note:
            about.setdefault(layer.note, []).append(layer.path)
        for note, names in _scheme_notes(layer.schemes).items() if has_parameters(layer) else ():
            about.setdefault(f"{', '.join(names)}: {note}", []).append(layer.path)
    for note, names in _scheme_notes(model.schemes).items():
        yield f"note: {', '.join(names)}: {note}"
    for note, paths in about.items():
        yield f"note: {note} ({some(patterns(paths))})"


def _scheme_notes(schemes: dict[str, SchemeResult]) -> dict[str, list[str]]:
    """Scheme ids by what is remarked about them."""
    notes: dict[str, list[str]] = {}
    for name, result in schemes.items():
        if result.note:
            text = result.note if result.converted else f"left as is, {result.note}"
            notes.setdefault(text, []).append(name)
    return notes


def patterns(paths: Sequence[str]) -> list[str]:
    """Paths with `*` for the numbers in which some of them differ."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(re.sub(r"(?<![^.])\d+(?![^.])", "*", path), []).append(path)
    return [pattern if len(same) > 1 else same[0] for pattern, same in groups.items()]


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    shown = [name or "the model itself" for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")

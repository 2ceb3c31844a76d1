"""The document `bitlens.analysis/1`: a Report as JSON that other programs read, and back.

`analysis.schema.json` beside this file describes it. Keys stay; new ones may come.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bitlens.measurement import Environment, Histogram, Layer, Line, Model, Report, SchemeResult, Tensor
from bitlens.problems import BitlensError, Problem

FORMAT = "bitlens.analysis/1"
SCHEMA_FILE = Path(__file__).with_name("analysis.schema.json")

_RENAMED = {"class_": "class"}
_ABSENT_IF_NONE = (
    "overflow",
    "underflow",
    "instead",
    "interval",
    "cell",
    "histogram",
    "least_parameters",
    "least_bytes",
    "formula",
    "missing",
)
"""Keys that only casts, notebooks and uncertain lines have, or that were not asked for."""


def to_document(report: Report, base: Path | None = None) -> dict[str, Any]:
    """The report as JSON data: NaN and infinity null, files relative to `base` (the working directory)."""
    return {"format": FORMAT, **_plain(report, base or Path.cwd())}


def from_document(document: Mapping[str, Any]) -> Report:
    """The report that a document holds; unknown keys are ignored.

    Raises BitlensError (`bad-report`) if it is not a document of this format.
    """
    if document.get("format") != FORMAT:
        raise _bad_report(f"its format is {document.get('format')!r}, not {FORMAT!r}")
    try:
        return Report(
            bitlens=document["bitlens"],
            environment=_known(Environment, document["environment"]),
            models=tuple(_model(model) for model in document["models"]),
            problems=_problems(document),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _bad_report(f"{type(error).__name__}: {error}") from error


def relative_file(file: str, base: Path) -> str:
    """`file` as a user names it from `base`: relative below it, as it is elsewhere."""
    try:
        return str(Path(file).relative_to(base))
    except ValueError:
        return file


def _plain(value: Any, base: Path) -> Any:
    """JSON data for a value of the result types, field by field in their order."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (tuple, list)):
        return [_plain(item, base) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, base) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return _plain_fields(value, base)
    return value


def _plain_fields(value: Any, base: Path) -> dict[str, Any]:
    plain = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if field.name in _ABSENT_IF_NONE and item is None:
            continue
        if field.name in ("file", "weights_from") and item is not None:
            item = relative_file(item, base)
        plain[_RENAMED.get(field.name, field.name)] = _plain(item, base)
    return plain


def _known(kind: Any, data: Mapping[str, Any], **given: Any) -> Any:
    """A result type from the keys that it has; `given` holds the fields that need more than a copy."""
    copied = {name: item for name, item in data.items() if name in _names(kind) and name not in given}
    return kind(**copied, **given)


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))


def _model(data: Mapping[str, Any]) -> Model:
    model: Model = _known(
        Model,
        data,
        class_=data["class"],
        schemes=_schemes(data),
        layers=tuple(_layer(layer) for layer in data["layers"]),
        lines=tuple(_known(Line, line, paths=tuple(line["paths"])) for line in data["lines"]),
        problems=_problems(data),
    )
    return model


def _layer(data: Mapping[str, Any]) -> Layer:
    tensors = tuple(_known(Tensor, tensor, shape=tuple(tensor["shape"])) for tensor in data["tensors"])
    spread = data.get("histogram")
    histogram = _known(Histogram, spread, counts=tuple(spread["counts"])) if spread else None
    layer: Layer = _known(Layer, data, tensors=tensors, schemes=_schemes(data), histogram=histogram)
    return layer


def _schemes(data: Mapping[str, Any]) -> dict[str, SchemeResult]:
    return {name: scheme_result(result) for name, result in data["schemes"].items()}


def scheme_result(data: Mapping[str, Any]) -> SchemeResult:
    """One result from its keys."""
    interval = data.get("interval")
    result: SchemeResult = _known(SchemeResult, data, interval=tuple(interval) if interval else None)
    return result


def _problems(data: Mapping[str, Any]) -> tuple[Problem, ...]:
    return tuple(_known(Problem, problem) for problem in data["problems"])


def _bad_report(why: str) -> BitlensError:
    message = f"this is no {FORMAT} document ({why}); write one with: bitlens analyze … --format json"
    return BitlensError(Problem("bad-report", message))

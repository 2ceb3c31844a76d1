"""The events of one job as one Model: the worker's half of the result types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitlens.measurement import Environment, Histogram, Layer, Line, Model, SchemeResult, Tensor
from bitlens.problems import Problem
from bitlens.report_json import scheme_result
from bitlens.worker.wire import Event


class Collector:
    """Takes events in their order; `model` is what they amount to."""

    def __init__(self) -> None:
        self.environment = Environment()
        self.expected: int | None = None
        """How many layers the worker announced."""
        self.problems: list[Problem] = []
        self.layers: list[Layer] = []
        """Those that were measured, as they arrived."""
        self._known: dict[str, Layer] = {}
        """By path, in the order of the first event: estimates until the measurement arrives."""
        self._head: Event | None = None
        self._lines: tuple[Line, ...] = ()
        self._totals: Event = {"schemes": {}, "dtypes": {}}

    def take(self, event: Event) -> None:
        """Add one event; unknown ones are of a newer worker and are ignored."""
        kind = event["event"]
        if kind == "environment":
            self.environment = Environment(
                event["python"],
                event["torch"],
                event["device"],
                event["device_name"],
                event.get("device_memory"),
            )
        elif kind == "model":
            self._head, self.expected = event, event["layers"]
            self._known.clear()
        elif kind == "estimate":
            self._known[event["path"]] = _layer(event)
        elif kind == "layer":
            layer = self._known[event["path"]] = _layer(event)
            self.layers.append(layer)
        elif kind == "lines":
            self._lines = tuple(Line(**{**line, "paths": tuple(line["paths"])}) for line in event["lines"])
        elif kind == "totals":
            self._totals = event
        elif kind == "problem":
            self.problems.append(_problem(event))

    @property
    def estimated(self) -> bool:
        """Whether some layers are known by estimates alone."""
        return len(self._known) > len(self.layers)

    def model(self) -> Model | None:
        """The model so far; None if the worker never had one. Its sums are those of its layers."""
        head = self._head
        if head is None:
            return None
        layers = tuple(self._known.values())
        unsized = head.get("unsized", ())
        return Model(
            name=head["name"],
            class_=head["class"],
            file=head["file"],
            line=head["line"],
            weights=head["weights"],
            weights_from=head["weights_from"],
            parameters=None if "parameter" in unsized else sum(layer.parameters for layer in layers),
            bytes=None if "parameter" in unsized else sum(layer.bytes for layer in layers),
            buffer_bytes=None if "buffer" in unsized else sum(layer.buffer_bytes for layer in layers),
            dtypes=self._totals["dtypes"],
            schemes={} if unsized else _schemes(self._totals["schemes"]),
            layers=layers,
            lines=self._lines,
            problems=tuple(self.problems) + tuple(_note(text, head) for text in head["notes"]),
        )


def _layer(event: Event) -> Layer:
    own = {k: v for k, v in event.items() if k not in ("event", "tensors", "schemes", "histogram")}
    tensors = tuple(Tensor(**{**tensor, "shape": tuple(tensor["shape"])}) for tensor in event["tensors"])
    spread = event.get("histogram")
    histogram = Histogram(spread["low"], spread["high"], tuple(spread["counts"])) if spread else None
    return Layer(**own, tensors=tensors, schemes=_schemes(event["schemes"]), histogram=histogram)


def _schemes(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, SchemeResult]:
    return {name: scheme_result(entry) for name, entry in entries.items()}


def _problem(event: Event) -> Problem:
    return Problem(
        event["code"],
        event["message"],
        event.get("file"),
        event.get("line"),
        severity=event.get("severity", "error"),
    )


def _note(text: str, head: Event) -> Problem:
    return Problem("note", text, head["file"], head["line"], severity="information")

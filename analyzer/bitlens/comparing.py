"""What the source says of a model's lines beside what the worker found when it built the model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from bitlens.measurement import Certainty, Line, Model
from bitlens.problems import Problem


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a model, as one of the two says it."""

    paths: tuple[str, ...]
    count: int
    parameters: int | None
    bytes: int | None
    dtypes: tuple[str, ...]
    """Of the parameters below what the line makes, as far as they are known."""
    certainty: str
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A line of one model; None where that side has nothing on it."""

    model: str
    file: str
    line: int
    source: Said | None
    worker: Said | None

    @property
    def known(self) -> bool:
        """Whether there are two answers to compare."""
        exact = self.source is None or self.source.certainty == "exact"
        return exact and (self.source is not None or self.worker is not None)

    @property
    def is_whole(self) -> bool:
        """Whether the line makes the model and none of its layers."""
        return any(said is not None and said.paths == ("",) for said in (self.source, self.worker))

    @property
    def difference(self) -> str | None:
        """The first thing about which the two do not agree; None where they agree or one does not know."""
        if not self.known:
            return None
        if self.source is None or self.worker is None:
            return "nothing stands there in one of them"
        for name in ("paths", "count", "parameters", "bytes", "dtypes"):
            said, found = getattr(self.source, name), getattr(self.worker, name)
            if said != found and said is not None and found is not None:
                return name
        return None


def compared(source: Model, worker: Model, file: str | None = None) -> Iterator[Compared]:
    """Every line of two models of one root, or those of one file, in order."""
    said, found = _lines(source), _lines(worker)
    for place in sorted({*said, *found}):
        if file is None or place[0] == file:
            yield Compared(
                worker.name, *place, _said(said.get(place), source), _said(found.get(place), worker)
            )


def _lines(model: Model) -> dict[tuple[str, int], Line]:
    """By place; that of the model itself, where it makes no other layers, holds all of it."""
    found = {(line.file, line.line): line for line in model.lines}
    if model.file is not None and model.line is not None:
        certainty: Certainty = "unknown" if model.parameters is None else "exact"
        place = os.path.abspath(model.file), model.line
        found.setdefault(place, Line(*place, ("",), 1, model.parameters, model.bytes, certainty))
    return found


def _said(line: Line | None, model: Model) -> Said | None:
    if line is None:
        return None
    below = tuple(f"{path}." if path else "" for path in line.paths)
    layers = (layer for layer in model.layers if layer.path in line.paths or layer.path.startswith(below))
    dtypes = {t.dtype for layer in layers for t in layer.tensors if t.kind == "parameter"}
    return Said(
        tuple(sorted(line.paths)),
        line.count,
        line.parameters,
        line.bytes,
        tuple(sorted(dtypes)),
        line.certainty,
        line.missing,
    )


def difference(source: Model, worker: Model) -> Problem | None:
    """A note on the first line about which source and worker do not agree; None where there is none."""
    different = [one for one in compared(source, worker) if one.difference is not None]
    different.sort(key=lambda one: one.is_whole)
    if not different:
        return None
    first = different[0]
    more = f", and {len(different) - 1} more lines" if len(different) > 1 else ""
    message = (
        f"the source says something else of this line than the built model ({first.difference}{more});"
        f" see it with: bitlens doctor --explain {first.file}:{first.line}"
    )
    return Problem("source-differs", message, first.file, first.line, None, "information")

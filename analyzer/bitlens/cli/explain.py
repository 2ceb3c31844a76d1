"""`bitlens doctor --explain FILE:LINE`: one line as the source says it and as the worker finds it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bitlens.cli.messages import FAILED
from bitlens.cli.options import options
from bitlens.cli.output import show
from bitlens.cli.table import Block, Column, Table, Words, problem_lines
from bitlens.comparing import Compared, Said, compared
from bitlens.measurement import Model
from bitlens.problems import BitlensError, Problem
from bitlens.quantities import NO_VALUE, UNKNOWN, size

_COLUMNS = (Column((), "left"), Column(("source",), "left"), Column(("worker",), "left"))
_MOST_PATHS = 6


def run(arguments: argparse.Namespace) -> int:
    """Print both; the exit code is 1 where they differ and 2 where there is nothing to compare."""
    from bitlens.measuring import measure
    from bitlens.reading import static_report

    file, line = _place(arguments.explain)
    target = arguments.program or file
    chosen = replace(options(arguments), schemes=(), model=arguments.model)
    measured = measure(target, chosen)
    static = static_report(target, arguments.model, python=arguments.python)
    pairs = list(_pairs(static.models, measured.models))
    found = [one for pair in pairs for one in compared(*pair, os.path.abspath(file)) if one.line == line]
    blocks = [block for one in found for block in _blocks(one)]
    if not found:
        blocks = [Words(f"{file}:{line}: no model makes a layer there, by its source or when it is built")]
    problems = [*static.problems, *measured.problems]
    show([*blocks, *problem_lines(tuple(problems))], arguments)
    return FAILED if not found else int(any(one.difference is not None for one in found))


def _place(text: str) -> tuple[str, int]:
    file, _, line = text.rpartition(":")
    if not file or not line.isdecimal() or not Path(file).is_file():
        raise BitlensError(Problem("bad-place", f"{text!r} names no line of a file; write FILE:LINE"))
    return file, int(line)


def _pairs(said: tuple[Model, ...], found: tuple[Model, ...]) -> Iterator[tuple[Model, Model]]:
    for model in found:
        yield from ((one, model) for one in said if one.name == model.name)


def _blocks(one: Compared) -> Iterator[Block]:
    yield Words(f"{one.model}, {os.path.relpath(one.file)}:{one.line}", "title")
    rows = [_row(name, one) for name in ("paths", "count", "parameters", "bytes", "dtypes", "certainty")]
    yield Table(_COLUMNS, tuple(rows))
    if one.source is not None and one.source.certainty != "exact":
        missing = one.source.missing or "which way a test goes"
        yield Words(f"the source does not tell {missing}, so there is nothing to compare")
    elif one.difference is not None:
        yield Words(f"different: {one.difference}", "warning")
    else:
        yield Words("equal")
    yield Words("")


def _row(name: str, one: Compared) -> tuple[Words, Words, Words]:
    return (Words(name), *(Words(_cell(name, said)) for said in (one.source, one.worker)))  # type: ignore[return-value]


def _cell(name: str, said: Said | None) -> str:
    value = getattr(said, name) if said is not None else None
    if said is None:
        return NO_VALUE
    if value is None:
        return UNKNOWN
    if isinstance(value, tuple):
        more = f" and {len(value) - _MOST_PATHS} more" if len(value) > _MOST_PATHS else ""
        return ", ".join(one or "(itself)" for one in value[:_MOST_PATHS]) + more
    return (
        f"{value:,} ({size(value)})"
        if name == "bytes"
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )

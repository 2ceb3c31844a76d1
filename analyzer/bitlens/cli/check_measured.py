"""What `bitlens check --measure` adds: the models of a program, built and measured, also as they are
unquantized.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from bitlens.analysis import Analysis
from bitlens.cli.options import options
from bitlens.collect import Collector
from bitlens.editing.code import code_of
from bitlens.editing.unquantized import formats_asked, unquantized
from bitlens.measuring import Options, as_set, measure_slice, worker_for
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError, Problem
from bitlens.source.program import program_of
from bitlens.source.slice import Slice, slices

_CASTS = ("float16",)


def measured(analysis: Analysis, arguments: argparse.Namespace, problems: list[Problem]) -> Iterator[Numbers]:
    """The numbers of every model that the program builds; what could not be measured is added to `problems`.

    Runs the program's code in the worker.
    """
    chosen = _options(analysis, arguments)
    pieces = list(_slices(analysis, problems))
    if not pieces:
        return
    with closing(worker_for(chosen)) as worker:
        for piece in pieces:
            collector = measure_slice(piece, chosen, worker, _ignore)
            model = collector.model()
            if model is None:
                problems += collector.problems
            else:
                yield Numbers(model, "measured", collector.environment)


def _options(analysis: Analysis, arguments: argparse.Namespace) -> Options:
    project = as_set(analysis.settings.measure)
    wanted = (*project.schemes, *_CASTS, *formats_asked(analysis))
    return replace(options(arguments, project), schemes=tuple(dict.fromkeys(wanted)))


def _slices(analysis: Analysis, problems: list[Problem]) -> Iterator[Slice]:
    """The models of the program, and those of it before it quantizes."""
    for text in (analysis.text, unquantized(code_of(analysis))):
        if text is None:
            continue
        try:
            found = slices(program_of(text, analysis.path))
        except BitlensError as error:
            if error.problem.code != "no-model":
                problems.append(error.problem)
            continue
        problems += _errors(found)
        yield from (piece for piece in found if piece.runnable)


def _errors(found: Iterable[Slice]) -> list[Problem]:
    return [problem for piece in found for problem in piece.problems if problem.severity == "error"]


def _ignore(_: Collector) -> None:
    """Findings are made of what is complete."""

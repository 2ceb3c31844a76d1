"""`bitlens analyze`: from the command line to a report, and from the report to what is shown."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

import bitlens
from bitlens.cli.layers import View
from bitlens.cli.messages import FAILED, fail, problem_line
from bitlens.cli.output import console, show, write
from bitlens.cli.report_view import report_blocks
from bitlens.cli.table import Block
from bitlens.measurement import Environment, Report
from bitlens.problems import BitlensError, Problem
from bitlens.report_json import to_document


def run(arguments: argparse.Namespace) -> int:
    """Analyze the target; the exit code is 0, 1 where some of it failed, 2 where there is no answer."""
    if arguments.backend and arguments.static:
        raise BitlensError(Problem("usage", "--backend needs a measurement; leave out --static"))
    try:
        report = _static(arguments) if arguments.static else _compared(_measured(arguments), arguments)
    except BitlensError as error:
        if arguments.format != "json":
            raise
        report = Report(bitlens.__version__, Environment(), (), (error.problem,))
    if not report.models and not any(_errors(report)):
        message = "no model found; name a file that builds one, or a checkpoint"
        report = replace(report, problems=(*report.problems, Problem("no-model", message, arguments.target)))
    return _deliver(report, arguments)


def _deliver(report: Report, arguments: argparse.Namespace) -> int:
    errors = list(_errors(report))
    if arguments.format == "json":
        text = json.dumps(to_document(report), indent=2, ensure_ascii=False, allow_nan=False)
        write(text + "\n", arguments.output)
    elif report.models:
        view = View(arguments.flat, arguments.depth, arguments.sort, arguments.top)
        show(_blocks(report, view, arguments), arguments, arguments.output)
        return 1 if errors else 0
    warned = () if report.models else [one for one in report.problems if one.severity == "warning"]
    for problem in (*warned, *errors):
        fail(problem_line(problem, severity=False))
    return (1 if report.models else FAILED) if errors else 0


def _blocks(report: Report, view: View, arguments: argparse.Namespace) -> list[Block]:
    if not arguments.backend:
        return report_blocks(report, view)
    from bitlens.cli.backend_view import backend_blocks
    from bitlens.cli.options import backend_scheme

    return backend_blocks(report, backend_scheme(arguments.backend), view)


def _errors(report: Report) -> Iterable[Problem]:
    problems = chain(report.problems, *(model.problems for model in report.models))
    return (problem for problem in problems if problem.severity == "error")


def _static(arguments: argparse.Namespace) -> Report:
    from bitlens.reading import static_report

    return static_report(arguments.target, arguments.model, config=arguments.config, python=arguments.python)


def _compared(report: Report, arguments: argparse.Namespace) -> Report:
    """In a document, with a note on each model of which the source says something else than was built."""
    if arguments.format != "json" or not report.models or not arguments.target.endswith(".py"):
        return report
    from bitlens.comparing import difference

    try:
        said = {model.name: model for model in _static(arguments).models}
    except BitlensError:
        return report
    notes = {
        model.name: note
        for model in report.models
        if model.name in said and (note := difference(said[model.name], model)) is not None
    }
    models = (
        replace(model, problems=(*model.problems, notes[model.name])) if model.name in notes else model
        for model in report.models
    )
    return replace(report, models=tuple(models))


def _measured(arguments: argparse.Namespace) -> Report:
    from bitlens import kept_reports, measuring
    from bitlens.cli.options import options

    chosen = options(arguments)
    measure = measuring.measure if arguments.no_cache else kept_reports.measure
    if not sys.stderr.isatty():
        return measure(arguments.target, chosen)
    from bitlens.cli.terminal import Bars

    with Bars(console(sys.stderr, arguments)) as bars:
        return measure(
            arguments.target,
            chosen,
            bars.take,
        )

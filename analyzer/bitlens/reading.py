"""The front door to models that are known from source alone: nothing is run, imported or downloaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bitlens import __version__, interpreters, project
from bitlens.cells import in_cells
from bitlens.measurement import Environment, Model, Report
from bitlens.problems import BitlensError, Problem, Severity, collected
from bitlens.settings import resolve
from bitlens.source.program import Program, discover, read
from bitlens.source.store import LoweredStore
from bitlens.statics import Reading, static_models


def static_report(
    target: str, selection: str | None = None, *, config: str | None = None, python: str | None = None
) -> Report:
    """What the text of a .py file, a notebook or a folder says of its models.

    `selection` is a variable, class, function or expression of the file; `config` a JSON or YAML file, or an
    expression, for a class that takes a configuration; `python` the interpreter whose packages are read as
    text. Raises BitlensError where there is no text to read.
    """
    path = Path(target)
    problems: list[Problem] = []
    if path.is_dir():
        files = discover(path, problems)
    elif path.suffix in (".py", ".ipynb") and path.exists():
        files = [path]
    else:
        message = (
            "--static reads Python files, notebooks and folders of them; a checkpoint is read without it"
        )
        raise BitlensError(Problem("no-source", message, target))
    models: list[Model] = []
    store = LoweredStore()
    for file in files:
        with collected(problems):
            program, how = read(file), reading(file, python, config, store)
            problems += program.unread
            found, unknown = _models(program, selection, how)
            models += found
            problems += unknown
    if models and len(files) != 1:
        problems = [problem for problem in problems if problem.code != "no-model"]
    report = Report(__version__, Environment(), tuple(models), tuple(problems))
    return in_cells(report, read(path)) if path.suffix == ".ipynb" else report


def reading(
    file: Path, python: str | None = None, config: str | None = None, store: LoweredStore | None = None
) -> Reading:
    """How the source of a file is read: with whose packages, and with its project's configurations.

    Raises BitlensError for a wrong interpreter and for a project's table that is not valid.
    """
    packages = interpreters.site_packages(interpreters.choose(python).path)
    where, table = project.table(file.absolute().parent)
    settings, wrong = resolve((where, {"models": table.get("models")}, False))
    if wrong:
        raise BitlensError(Problem("bad-settings", wrong[0], where))
    return Reading(packages, store, settings.models, config)


def _models(program: Program, selection: str | None, how: Reading) -> tuple[list[Model], list[Problem]]:
    """The models that are known, and why others are not. Raises BitlensError if there is none at all."""
    made = list(static_models(program, how, selection))
    if not made and program.unread:
        raise BitlensError(replace(program.unread[0], severity="error"))
    if not made:
        message = f"{program.path.name} builds no model and defines none; name one with --model"
        raise BitlensError(Problem("no-model", message, program.file))
    severity: Severity = "warning" if any(one.known for one in made) else "error"
    unknown = [_why(one.model) for one in made if not one.known and one.model.problems]
    return [one.model for one in made if one.known], [replace(one, severity=severity) for one in unknown]


def _why(model: Model) -> Problem:
    """The reason why a model is not known: a checkpoint that is not here, else the last one."""
    missing = (problem for problem in model.problems if problem.code == "not-in-cache")
    return next(missing, model.problems[-1])

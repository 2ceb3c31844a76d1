"""The front door to models that are known from source alone: nothing is run, imported or downloaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bitlens import __version__, interpreters
from bitlens.cells import in_cells
from bitlens.measurement import Environment, Model, Report
from bitlens.problems import BitlensError, Problem
from bitlens.source.evaluate import Construction, evaluate, roots, to_model
from bitlens.source.program import Program, discover, read
from bitlens.source.slice import Slice, slices
from bitlens.source.store import LoweredStore


def static_report(
    target: str, selection: str | None = None, *, config: str | None = None, python: str | None = None
) -> Report:
    """What the text of a .py file, a notebook or a folder says of its models.

    `selection` is a variable, class, function or expression of the file; `config` a config.json for a class
    that takes a configuration; `python` the interpreter whose packages are read as text. Raises BitlensError
    where there is no text to read.
    """
    path = Path(target)
    if path.is_dir():
        files = discover(path)
    elif path.suffix in (".py", ".ipynb") and path.exists():
        files = [path]
    else:
        message = (
            "--static reads Python files, notebooks and folders of them; a checkpoint is read without it"
        )
        raise BitlensError(Problem("no-source", message, target))
    packages = interpreters.site_packages(interpreters.choose(python).path)
    store = LoweredStore()
    models: list[Model] = []
    problems: list[Problem] = []
    for file in files:
        with _collected(problems):
            found, unknown = static_models(read(file), selection, config, packages, store)
            models += found
            problems += unknown
    if models and len(files) != 1:
        problems = [problem for problem in problems if problem.code != "no-model"]
    report = Report(__version__, Environment(), tuple(models), tuple(problems))
    return in_cells(report, read(path)) if path.suffix == ".ipynb" else report


@contextmanager
def _collected(problems: list[Problem]) -> Iterator[None]:
    """One file that cannot be read does not take the answer about the others away."""
    try:
        yield
    except BitlensError as error:
        problems.append(error.problem)


def static_models(
    program: Program,
    selection: str | None = None,
    config: str | None = None,
    packages: Sequence[Path] = (),
    store: LoweredStore | None = None,
) -> tuple[tuple[Model, ...], tuple[Problem, ...]]:
    """Every model of `program`, or those that `selection` names, from shapes; and which ones stay unknown.

    Raises BitlensError (`no-model`) if the program names none.
    """
    built = [] if config else [_of_slice(piece, packages, store) for piece in _slices(program, selection)]
    if any(construction.modules for construction, _ in built):
        models = tuple(model for construction, model in built if construction.modules)
        unknown = [c.problems[-1:] for c, _ in built if not c.modules]
        return models, tuple(replace(problem, severity="warning") for found in unknown for problem in found)
    return tuple(_of_roots(program, selection, config, packages, store)), ()


def _slices(program: Program, selection: str | None) -> tuple[Slice, ...]:
    """The programs that build the models; none where the file only defines classes that need arguments."""
    try:
        return tuple(piece for piece in slices(program, selection) if piece.runnable)
    except BitlensError:
        return ()


def _of_slice(
    piece: Slice, packages: Sequence[Path], store: LoweredStore | None
) -> tuple[Construction, Model]:
    built = evaluate(Path(piece.file), piece.target, text=piece.text, search_paths=packages, store=store)
    return built, replace(to_model(built), name=piece.name, line=piece.expression_line)


def _of_roots(
    program: Program,
    selection: str | None,
    config: str | None,
    packages: Sequence[Path],
    store: LoweredStore | None,
) -> Iterator[Model]:
    path, text = program.path, program.text
    names = [selection] if selection else roots(path, search_paths=packages, store=store, text=text)
    settings = Path(config) if config else None
    if not names:
        message = f"{path.name} builds no model and defines none; name one with --model"
        raise BitlensError(Problem("no-model", message, program.file))
    for name in names:
        yield to_model(evaluate(path, name, config=settings, search_paths=packages, store=store, text=text))

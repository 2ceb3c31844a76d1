"""Models from a program's source alone: the one way that the command line and the editor take."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from bitlens.measurement import Model
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError, Problem
from bitlens.source.configured import Configuration, configurations, file_at, meaning
from bitlens.source.evaluate import Roots, evaluate, keep, roots, to_model, written
from bitlens.source.program import Program
from bitlens.source.slice import Slice, slices
from bitlens.source.store import LoweredStore

MOST_ROOTS = 16
"""Models of one file that an editor evaluates; a library's file can define hundreds."""


@dataclass(frozen=True, slots=True)
class Static:
    """One model as its source says that it is built."""

    root: str
    """What to ask for to have this model again."""
    model: Model
    known: bool
    """Whether the source tells the model; if not, the last problem says why not."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a program is read."""

    search_paths: Sequence[Path] = ()
    """Folders of installed packages, read as text."""
    store: LoweredStore | None = None
    configured: Mapping[str, str] = field(default_factory=dict)
    """The project's configurations by class name: files or expressions."""
    config: str | None = None
    """One configuration for whatever is selected, which wins over all others."""
    most: int | None = MOST_ROOTS
    """Models of a file that are looked at; None for all of them."""


def static_models(
    program: Program, how: Reading, selection: str | None = None, pieces: Iterable[Slice] | None = None
) -> Iterator[Static]:
    """The models of a program, or those that `selection` names, each as soon as it is known.

    Models are the expressions that build one; where there are none, the classes that nothing else in the
    file builds and the functions that build one by their defaults (at most `how.most`), else every class; and
    always the classes for which a configuration is asked. `pieces` are the program's slices
    where the caller has them. Raises BitlensError for a selection or a configuration that cannot be read.
    """
    wanted = _configurations(program, how, selection)
    if selection is not None:
        yield from _selected(program, how, selection, wanted.get(selection))
        return
    found = False
    for piece in _expressions(program, pieces):
        made = _of_slice(piece, how)
        found = found or made.known
        yield made
    names: tuple[str, ...] = ()
    if not found:
        offered = _roots(program, how)
        for name in offered.factories[: how.most]:
            made = _of_root(program, how, name, None)
            if made.known:
                found = True
                yield made
        names = offered.unused if found else offered.chosen
    for name in dict.fromkeys((*names, *wanted)):
        yield _of_root(program, how, name, wanted.get(name))


def _configurations(program: Program, how: Reading, selection: str | None) -> dict[str, Configuration]:
    """By class; the one of the command line is for what is selected, else for every class that is a root."""
    found = configurations(program, how.configured)
    if how.config is not None:
        given = Configuration(_given(how.config, program))
        names = _definitions(program)
        chosen = (selection,) if selection is not None else _roots(program, how).chosen
        found |= {name: given for name in chosen if name in names}
    return found


def _given(config: str, program: Program) -> Path | str:
    """A configuration of the command line: a path from the working directory, or as in a comment."""
    return file_at(Path(config)) or meaning(config, program)


def _definitions(program: Program) -> dict[str, int]:
    """Classes and functions at the file's own level, with the lines (from 1) on which their names stand."""
    return {
        node.name: node.lineno + statement.line - 1
        for statement in program.source.statements
        for node in statement.nodes
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }


def _expressions(program: Program, pieces: Iterable[Slice] | None) -> list[Slice]:
    """The programs that build a model, those left out that only call a class without arguments."""
    classes = _definitions(program)
    built = _slices(program) if pieces is None else pieces
    return [piece for piece in built if piece.runnable and piece.name not in classes]


def _roots(program: Program, how: Reading) -> Roots:
    return roots(program.path, search_paths=how.search_paths, store=how.store, text=program.text)


def _selected(
    program: Program, how: Reading, selection: str, wanted: Configuration | None
) -> Iterator[Static]:
    built = _slices(program, selection) if wanted is None else ()
    made = [_of_slice(piece, how) for piece in built if piece.runnable]
    if any(one.known for one in made):
        yield from made
    else:
        yield _of_root(program, how, selection, wanted)


def _slices(program: Program, selection: str | None = None) -> tuple[Slice, ...]:
    """The programs that build the models; none where the file only defines classes that need arguments."""
    try:
        return slices(program, selection)
    except BitlensError:
        return ()


def _of_slice(piece: Slice, how: Reading) -> Static:
    made = evaluate(
        Path(piece.file), piece.target, text=piece.text, search_paths=how.search_paths, store=how.store
    )
    model = replace(to_model(made), name=piece.name, line=piece.expression_line)
    return Static(piece.name, model, bool(made.modules))


def _of_root(program: Program, how: Reading, name: str, wanted: Configuration | None) -> Static:
    made = evaluate(
        program.path,
        name,
        config=wanted.value if wanted else None,
        search_paths=how.search_paths,
        store=how.store,
        text=program.text,
    )
    model = to_model(made)
    # A function's model stands where its defaults do, as in what the worker builds of it.
    line = _assigned_on(program, name) or _definitions(program).get(name) or model.line
    return Static(name, replace(model, line=line), bool(made.modules))


def _assigned_on(program: Program, name: str) -> int | None:
    """The line of the expression that a variable at the file's own level is given last; None for a class."""
    found = None
    for statement in program.source.statements:
        for node in statement.nodes:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == name for target in targets
            ):
                found = node.value.lineno + statement.line - 1
    return found


def buildable(program: Program, how: Reading, selection: str | None = None) -> tuple[Slice, ...]:
    """The slices that the worker builds for a program or for `selection`, default configurations included.

    A class that needs a configuration is built with the one that is asked for, else with its default, as
    `static_models` evaluates it. Raises BitlensError where there is nothing to build.
    """
    wanted = _configurations(program, how, selection)
    if selection is not None:
        return _buildable(program, how, selection, wanted.get(selection))
    asked = tuple(piece for name, one in wanted.items() for piece in _buildable(program, how, name, one))
    try:
        return (*(piece for piece in slices(program) if piece.name not in wanted), *asked)
    except BitlensError:
        if not asked:
            raise
        return asked


def _buildable(program: Program, how: Reading, name: str, wanted: Configuration | None) -> tuple[Slice, ...]:
    text = _written(program, how, name, wanted) if wanted is not None else None
    if wanted is not None and text is None:
        message = f"{name} cannot be built from the configuration {wanted.value} alone: it needs more"
        raise BitlensError(Problem("bad-config", message, program.file, wanted.line))
    if text is None:
        try:
            return slices(program, name)
        except BitlensError as error:
            text = _written(program, how, name, None) if error.problem.code == "bad-selection" else None
            if text is None:
                raise
    line = _definitions(program).get(name)
    return tuple(replace(piece, name=name, expression_line=line) for piece in slices(program, text))


def _written(program: Program, how: Reading, name: str, wanted: Configuration | None) -> str | None:
    if name not in _definitions(program):
        return None
    config = wanted.value if wanted else None
    return written(
        program.path,
        name,
        config=config,
        search_paths=how.search_paths,
        store=how.store,
        text=program.text,
    )


def static_numbers(
    program: Program, how: Reading, pieces: Iterable[Slice] | None = None
) -> Iterator[Numbers]:
    """The numbers of each model of a program, as soon as they are known; what stays unknown is left out.

    A configuration that cannot be read counts as none.
    """
    try:
        for one in islice(static_models(program, how, pieces=pieces), how.most):
            if one.known:
                yield Numbers(one.model, "static", root=one.root)
    except BitlensError as error:
        if error.problem.code in _CONFIG_TROUBLE and how.configured:
            yield from static_numbers(program, replace(how, configured={}), pieces)
    keep(how.search_paths)


_CONFIG_TROUBLE = ("bad-config", "unreadable-config")


__all__ = ["Reading", "Static", "buildable", "static_models", "static_numbers"]

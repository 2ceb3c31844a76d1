"""Numbers of the models of one program from its source alone, as a text that may not be on disk yet."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bitlens.measurement import Model
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError
from bitlens.source.evaluate import Construction, ModuleRecord, evaluate, keep, roots, to_model
from bitlens.source.program import Program
from bitlens.source.store import LoweredStore

Place = tuple[str, int]
MOST_ROOTS = 16
"""Models of one file that are evaluated; a library's file can define hundreds."""


def static_numbers(
    program: Program,
    configurations: Mapping[str, str],
    search_paths: Sequence[Path] = (),
    store: LoweredStore | None = None,
) -> Iterator[Numbers]:
    """The numbers of each root of a program, as soon as they are known; roots without a model are left out.

    `configurations` are JSON files by class name, relative to the program's folder.
    """
    path, text = program.path, program.text
    try:
        names = roots(path, search_paths=search_paths, store=store, text=text)
    except BitlensError:
        return
    for root in names[:MOST_ROOTS]:
        config = configurations.get(root)
        file = path.parent / config if config else None
        try:
            made = evaluate(path, root, config=file, search_paths=search_paths, store=store, text=text)
        except BitlensError:
            continue
        if made.modules:
            yield _numbers(made, program)
    keep(search_paths)


def _numbers(made: Construction, program: Program) -> Numbers:
    model = replace(to_model(made), line=_expression_line(program, made.root))
    return Numbers(model, "static", root=made.root, unknown=_unknown(made, model))


def _expression_line(program: Program, root: str) -> int | None:
    """The line of the expression that a variable at the file's own level is given last; None for a class."""
    found = None
    for statement in program.source.statements:
        for node in statement.nodes:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == root for target in targets):
                found = node.value.lineno + statement.line - 1  # type: ignore[attr-defined]
    return found


def _unknown(made: Construction, model: Model) -> Mapping[Place, str]:
    """Lines whose size depends on something unknown: the number of elements as a formula, or empty."""
    by_line: dict[Place, list[ModuleRecord]] = defaultdict(list)
    for record in made.modules:
        if record.file is not None and record.line is not None:
            by_line[record.file, record.line].append(record)
    return {
        (line.file, line.line): _formula(by_line[line.file, line.line])
        for line in model.lines
        if line.certainty == "unknown"
    }


def _formula(records: Sequence[ModuleRecord]) -> str:
    """The elements of one module in terms of the unknown; empty for several or where there is no formula."""
    if len(records) != 1:
        return ""
    formulas = [tensor.formula for tensor in records[0].parameters]
    return " + ".join(formula or "?" for formula in formulas) if all(formulas) else ""

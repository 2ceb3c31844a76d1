"""`bitlens check`: findings in files, folders and notebooks; exit 0 clean, 1 findings, 2 something failed."""

from __future__ import annotations

import argparse
import ast
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from bitlens.actions import fixed
from bitlens.analysis import Analysis
from bitlens.cells import placed
from bitlens.cli import baseline, rewriting
from bitlens.cli.findings import render
from bitlens.cli.findings.checked import Checked, Located, located, shown_path
from bitlens.cli.messages import FAILED, fail, problem_line
from bitlens.cli.output import write
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError, Problem, collected
from bitlens.project import table
from bitlens.rules import findings, rules, unknown
from bitlens.settings import Settings, resolve
from bitlens.source.program import Program, discover, read

_OF_A_BUDGET = "BL502"


@dataclass
class _Run:
    """What one run has gathered so far."""

    arguments: argparse.Namespace
    selected: frozenset[str]
    found: list[Located] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    """What is told on stderr alone, and makes nothing fail."""
    files: list[str] = field(default_factory=list)
    fixed: int = 0
    accepted: int = 0
    changed: bool = False


def run(arguments: argparse.Namespace) -> int:
    """Check what was named and write what was found."""
    state = _Run(arguments, _selected(arguments))
    for path in dict.fromkeys(_files(state)):
        state.files.append(shown_path(path))
        with collected(state.problems):
            _check(path, state)
    if arguments.write_baseline:
        baseline.save(state.found, arguments.write_baseline)
        state.accepted, state.found = len(state.found), []
    elif arguments.baseline:
        state.found = baseline.without_known(state.found, arguments.baseline)
    return _deliver(state)


def _deliver(state: _Run) -> int:
    if not state.arguments.diff:
        problems = tuple(
            replace(p, file=shown_path(Path(p.file)) if p.file else None) for p in state.problems
        )
        written = state.arguments.write_baseline
        accepted = (state.accepted, written) if written else None
        checked = Checked(tuple(state.found), problems, tuple(state.files), state.fixed, accepted)
        write(render(state.arguments.format)(checked), state.arguments.output)
    for problem in (*state.notes, *state.problems):
        fail(problem_line(problem, severity=False))
    if state.problems:
        return FAILED
    found = state.changed if state.arguments.diff else bool(state.found)
    return 1 if found and not state.arguments.exit_zero else 0


def _selected(arguments: argparse.Namespace) -> frozenset[str]:
    """The codes of the rules to follow. Raises BitlensError (`unknown-rule`)."""
    known = {rule.code for rule in rules()}
    wanted = _matching(arguments.select, known) if arguments.select else known
    return frozenset(wanted - _matching(arguments.ignore, known))


def _matching(prefixes: Iterable[str], known: set[str]) -> set[str]:
    result: set[str] = set()
    for prefix in (part.strip().upper() for given in prefixes for part in given.split(",")):
        codes = {code for code in known if prefix and code.startswith(prefix)}
        if not codes:
            message = f"there is no rule {prefix!r}; the rules are {', '.join(sorted(known))}"
            raise BitlensError(Problem("unknown-rule", message))
        result |= codes
    return result


def _files(state: _Run) -> Iterator[Path]:
    for name in state.arguments.paths:
        path = Path(name)
        if path.is_dir():
            yield from discover(path, state.notes)
        elif path.exists():
            yield path
        else:
            state.problems.append(Problem("no-such-file", "there is no such file or folder", name))


def _check(path: Path, state: _Run) -> None:
    settings = _settings(path.absolute().parent, state)
    program = read(path)
    for problem in _syntax(program):
        (state.problems if problem.severity == "error" else state.notes).append(placed(problem, program))
    analysis = Analysis(path, program.text, settings=settings, cells=program.cells)
    numbers: list[Numbers] = []
    if settings.diagnostics.budget and _OF_A_BUDGET in state.selected:
        from bitlens.cli.check_static import evaluated

        numbers += evaluated(analysis, state.arguments)
    if state.arguments.measure:
        from bitlens.cli.check_measured import measured

        numbers += measured(analysis, state.arguments, state.problems)
    analysis = analysis.knowing(numbers)
    if state.arguments.fix or state.arguments.diff:
        analysis = _fixed(analysis, state)
    kept = [finding for finding in findings(analysis) if finding.code in state.selected]
    state.found += located(analysis, kept)


def _fixed(analysis: Analysis, state: _Run) -> Analysis:
    """The analysis after the fixes, which are on disk or printed as a diff then."""
    after = fixed(analysis, state.selected, state.arguments.unsafe_fixes)
    if after.text == analysis.text:
        return analysis
    old, new = rewriting.rewritten(analysis, after)
    state.changed = True
    if state.arguments.diff:
        sys.stdout.write(rewriting.difference(shown_path(analysis.path), old, new))
    else:
        rewriting.save(analysis.path, new)
    state.fixed += max(len(findings(analysis)) - len(findings(after)), 1)
    return after


@lru_cache(maxsize=1024)
def _resolved(folder: Path) -> tuple[Settings, tuple[str, ...]]:
    name, values = table(folder)
    settings, complaints = resolve((name, values, False))
    return settings, (*complaints, *(f"{name}: {text}" for text in unknown(settings)))


def _settings(folder: Path, state: _Run) -> Settings:
    settings, complaints = _resolved(folder)
    known = [problem.message for problem in state.problems]
    state.problems += [Problem("bad-settings", text) for text in complaints if text not in known]
    return settings


def _syntax(program: Program) -> tuple[Problem, ...]:
    """What keeps a file from being read whole; CPython's own parser is asked first, since it is quick.

    What it reads and is too much for ours is a warning: nobody can mend that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(program.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return tuple(replace(problem, severity="error") for problem in program.unread)
    too_much = (statement.beyond for statement in program.source.statements)
    return tuple(replace(one, file=program.file, severity="warning") for one in too_much if one is not None)

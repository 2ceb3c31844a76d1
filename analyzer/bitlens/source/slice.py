"""The smallest part of a program that builds one model, on the user's own lines."""

from __future__ import annotations

import ast
import builtins
import copy
from dataclasses import dataclass

from bitlens.problems import BitlensError, Problem
from bitlens.source.knowledge import Knowledge, required_arguments
from bitlens.source.program import Program
from bitlens.source.slicing.build import Built, build_candidate, build_expression
from bitlens.source.slicing.candidates import Candidate, candidates
from bitlens.source.slicing.effects import effects
from bitlens.source.slicing.views import Analysis, Unsliceable

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Slice:
    """A program that builds one model and does nothing else."""

    file: str
    """Absolute path of the user's file; compile the text under this name."""
    name: str
    """The variable; `variable:line` where the file gives several models the same one."""
    expression_line: int | None
    """The line of the expression that builds the model; None for an expression that the user gave."""
    class_name: str
    """Best guess of the model's class, as a dotted path or the file's own name."""
    text: str
    """The program. Every kept statement stands on the line that it has in the file. Empty if it cannot be
    had."""
    target: str
    """The expression that is the model after the program has run."""
    statements: tuple[int, ...]
    """The lines that were kept."""
    problems: tuple[Problem, ...] = ()

    @property
    def runnable(self) -> bool:
        """Whether there is a program; if not, an error among the problems says why."""
        return bool(self.target)


def slices(program: Program, selection: str | None = None) -> tuple[Slice, ...]:
    """The slices for every model that a program builds, or for those that `selection` names.

    `selection` is a variable, a class, a function that returns a model, or an expression in the file's own
    names.
    Raises BitlensError (`no-model`, `bad-selection`) where there is nothing to measure.
    """
    return _Slicer(program).chosen(selection)


class _Slicer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.text = program.text
        body = _body(program)
        self.analysis = Analysis(Knowledge([node for node, _ in body], program.path), body)
        self.candidates = candidates(self.analysis)

    @property
    def knowledge(self) -> Knowledge:
        """What the file defines."""
        return self.analysis.knowledge

    def chosen(self, selection: str | None) -> tuple[Slice, ...]:
        if selection is not None:
            return self._selected(selection.strip())
        built = [self._of_candidate(candidate) for candidate in self.candidates if not candidate.part]
        if built:
            return tuple(built)
        roots = [name for name in self._roots() if not self._missing(name)]
        if roots:
            return tuple(self._of_call(name) for name in roots)
        raise BitlensError(self._no_model())

    def _selected(self, selection: str) -> tuple[Slice, ...]:
        named = [c for c in self.candidates if selection in (c.name, c.plain, c.variable)]
        if not named and selection in self.knowledge.classes:
            named = [
                c for c in self.candidates if c.use.kind == "constructor" and c.use.class_name == selection
            ]
        if named:
            return tuple(self._of_candidate(candidate) for candidate in named)
        if selection in self.knowledge.functions or selection in self.knowledge.classes:
            return self._of_definition(selection)
        return (self._of_expression(selection),)

    def _of_definition(self, name: str) -> tuple[Slice, ...]:
        missing = self._missing(name)
        if not missing:
            return (self._of_call(name),)
        built = [c for c in self.candidates if _calls(c.expression, name) or _inside(c, name)]
        if built:
            return tuple(self._of_candidate(candidate) for candidate in built)
        needed = ", ".join(f"{argument}=…" for argument in missing)
        message = f"{name} needs {', '.join(missing)}; give them: --model '{name}({needed})'."
        raise BitlensError(Problem("bad-selection", message, self.program.file, self._line_of(name)))

    def _of_call(self, name: str) -> Slice:
        node = ast.parse(f"{name}()", mode="eval").body
        use = self.analysis.models.use(node, {})
        target = ast.parse(f"{name}(){use.suffix if use else ''}", mode="eval").body
        class_name = use.class_name if use else name
        return self._sliced(name, self._line_of(name), class_name, lambda: self._expression(target))

    def _of_expression(self, selection: str) -> Slice:
        try:
            node = ast.parse(selection, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            message = f"--model {selection!r} is neither a name of this file nor an expression."
            raise BitlensError(Problem("bad-selection", message, self.program.file)) from error
        unknown = [name for name in sorted(effects([node]).reads) if not self._knows(name)]
        if unknown:
            raise BitlensError(self._unknown(unknown[0]))
        use = self.analysis.models.use(node, self.analysis.module.variables)
        return self._sliced(selection, None, use.class_name if use else "", lambda: self._expression(node))

    def _expression(self, node: ast.expr) -> Built:
        return build_expression(node, self.text, self.analysis)

    def _of_candidate(self, candidate: Candidate) -> Slice:
        return self._sliced(
            candidate.name,
            candidate.line,
            candidate.use.class_name,
            lambda: build_candidate(candidate, self.text, self.analysis),
        )

    def _sliced(self, name: str, line: int | None, class_name: str, build: object) -> Slice:
        file = self.program.file
        try:
            built: Built = build()  # type: ignore[operator]
        except Unsliceable as error:
            where = f"line {error.line} {error.message}"
            message = f"{name} cannot be built apart from the rest of the program: {where}."
            problem = Problem("unsliceable", f"{message} {_WAY_OUT}", file, error.line)
            return Slice(file, name, line, class_name, "", "", (), (problem,))
        kept = tuple(n for n, text in enumerate(built.text.split("\n"), 1) if text.strip())
        problems = tuple(dict.fromkeys(self._left_out(error) for error in built.dropped))
        return Slice(file, name, line, class_name, built.text, built.target, kept, problems)

    def _left_out(self, error: Unsliceable) -> Problem:
        message = f"A change of the model was left out: line {error.line} {error.message}."
        return Problem("change-left-out", message, self.program.file, error.line, None, "information")

    def _roots(self) -> list[str]:
        """Module classes of the file that nothing else in it builds, inherits from or names."""
        classes = self.knowledge.module_classes()
        used: set[str] = set()
        for atom in self.analysis.module.scope.atoms:
            own = atom.effects.binds
            used |= (atom.effects.reads | atom.effects.deferred) - own
        return [name for name in classes if name not in used] or list(classes)

    def _missing(self, name: str) -> tuple[str, ...]:
        """Arguments without default that a call of a class or function must give."""
        if name in self.knowledge.functions:
            return required_arguments(self.knowledge.functions[name], bound=False)
        return required_arguments(self.knowledge.constructor(name), bound=True)

    def _line_of(self, name: str) -> int | None:
        for atom in self.analysis.module.scope.atoms:
            if name in atom.effects.binds and isinstance(atom.node, (ast.ClassDef, ast.FunctionDef)):
                return atom.line
        return None

    def _knows(self, name: str) -> bool:
        scope = self.analysis.module.scope
        stars = bool(self.knowledge.names.stars)
        return stars or scope.binds(name) or name in _BUILTINS

    def _unknown(self, name: str) -> Problem:
        message = f"{name} is not defined in {self.program.path.name}. {self._offer()}"
        return Problem("bad-selection", message, self.program.file)

    def _no_model(self) -> Problem:
        broken = self.program.source.problems
        if broken and not self.knowledge.classes:
            first = broken[0]
            return Problem(first.code, first.message, self.program.file, first.line, first.column)
        message = f"{self.program.path.name} builds no model. {self._offer()}"
        return Problem("no-model", message, self.program.file)

    def _offer(self) -> str:
        classes = self.knowledge.module_classes()
        ready = [
            f for f in self.knowledge.functions if self.analysis.models.returned(f) and not self._missing(f)
        ]
        if not classes and ready:
            return f"Name a function that builds one: --model '{ready[-1]}'."
        if not classes:
            named = [candidate.name for candidate in self.candidates]
            return (
                f"Models in it: {', '.join(named)}."
                if named
                else "Give a file that defines or loads a torch model."
            )
        listed = ", ".join(list(classes)[:_MOST_LISTED]) + (", …" if len(classes) > _MOST_LISTED else "")
        if ready:
            return f"Its classes: {listed}. Name a function that builds one: --model '{ready[-1]}'."
        name = (self._roots() or list(classes))[-1]
        example = f"{name}({', '.join(f'{argument}=…' for argument in self._missing(name))})"
        return f"Its classes: {listed}. Name one with its arguments: --model '{example}'."


_BUILTINS = frozenset(dir(builtins))
_WAY_OUT = "Name the model with its arguments: --model 'ClassName(…)'."


def _body(program: Program) -> list[tuple[ast.stmt, int]]:
    """Top-level statements with the offsets of their lines; equal statements share nodes, so later ones are
    copied."""
    seen: set[int] = set()
    body: list[tuple[ast.stmt, int]] = []
    for statement in program.source.statements:
        for node in statement.nodes:
            own = copy.deepcopy(node) if id(node) in seen else node
            seen.add(id(node))
            body.append((own, statement.line - 1))
    return body


def _calls(node: ast.expr, name: str) -> bool:
    inner = node
    while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
        inner = inner.func.value
    return isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == name


def _inside(candidate: Candidate, name: str) -> bool:
    node = candidate.view.scope.node
    return node is not None and node.name == name

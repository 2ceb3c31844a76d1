"""Evaluates the text of modules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens.problems import BitlensError
from bitlens.source.evaluate.compile_statements import Statements
from bitlens.source.evaluate.finding import Finder
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.self_filling import fills_itself
from bitlens.source.evaluate.values import UNKNOWN, Control, Lazy, Unknown
from bitlens.source.statements import SourceFile, Statement, parse, read_text

if TYPE_CHECKING:
    pass


_DEFINITION = re.compile(r"(?:async\s+def|def|class)\s+(\w+)")


class Loader(Finder):
    """Runs the statements of modules; what only defines something waits until it is asked for."""

    def ensure(self, module: Namespace) -> None:
        """Evaluate a module's text if that has not begun."""
        if module.loaded or module.file is None:
            return
        module.loaded = True
        try:
            source = self.source(Path(module.file))
        except BitlensError as error:
            self.machine.problems.append(error.problem)
            return
        if not fills_itself(module, source):
            self.execute(module, source)

    def source(self, path: Path) -> SourceFile:
        """The statements of a file. Raises BitlensError if it cannot be read."""
        name = str(path)
        found = self.sources.get(name)
        if found is None:
            found = self.sources[name] = self._read(path)
        return found

    def _read(self, path: Path) -> SourceFile:
        name, text = str(path), read_text(path)
        library = self.in_library(name)

        def fresh() -> SourceFile:
            made = parse(text, self.store, library)
            if not made.stored:
                self.touched.add(name)
            return made

        return fresh() if library else self.readings.source(name, text, True, fresh)

    def execute(self, module: Namespace, source: SourceFile) -> None:
        """Run a module's top-level statements; undecorated definitions wait until their name is asked for."""
        machine = self.machine
        saved = machine.tries, machine.uncertain, machine.errors
        oldest = machine.repetition.oldest
        machine.tries = machine.uncertain = 0
        machine.errors = []
        frame = Frame(module.vars, module)
        module.vars.update(self.fill.get(module.name, {}))
        fixed = set(self.fill.get(module.name, {}))
        machine.enter(frame)
        depth = machine.depth
        reading = machine.undoing.read(self._is_library(module))
        try:
            for statement in source.statements:
                self._run(statement, module, frame, fixed)
                machine.unwind(depth)
        except Control:
            self._halt(module)
            raise
        finally:
            machine.undoing.read(reading)
            machine.unwind(depth)
            machine.leave()
            machine.repetition.oldest = oldest
            machine.tries, machine.uncertain, machine.errors = saved

    def _run(self, statement: Statement, module: Namespace, frame: Frame, fixed: set[str]) -> None:
        definition = _DEFINITION.match(statement.text)
        if definition is not None:
            name = definition.group(1)
            if name not in fixed:
                module.vars[name] = Lazy(lambda: self._define(statement, module, name))
                if self._registers(statement, module):
                    module.vars[name].force()
            return
        try:
            self._execute(statement, frame)
        except Control:
            raise
        except Exception as error:
            if not self.machine.recover(error, frame, statement.line):
                self._note(error, module, statement.line)

    def _registers(self, statement: Statement, module: Namespace) -> bool:
        """Whether making a class may do something else as well: its metaclass or `__init_subclass__` may
        register it.

        In a library only a metaclass or keyword that stands there counts; the user's own classes are all
        made.
        """
        if not statement.text.startswith("class"):
            return False
        if module.file is not None and not self.in_library(module.file):
            return True
        return "=" in statement.text.partition(":\n")[0].partition("\n")[0]

    def _note(self, error: Exception, module: Namespace, line: int) -> None:
        from bitlens.source.evaluate.limits import describe

        self.machine.report("not-evaluated", f"evaluation stops here: {describe(error)}", module.file, line)

    def _execute(self, statement: Statement, frame: Frame) -> None:
        known = statement.bodies is not None if statement.library else statement.is_lowered
        if frame.module.file is not None and not known:
            self.touched.add(frame.module.file)
        if self._is_library(frame.module):
            self.evaluated += len(statement.text)
        compiler = Statements(self.machine, statement.line - 1)
        actions = self.readings.compiled(frame.module.file, statement)
        for index, node in enumerate(statement.hollow):
            frame.line = statement.line
            if index == len(actions):
                actions.append(compiler.statement(node))
            actions[index](frame)

    def _define(self, statement: Statement, module: Namespace, name: str) -> Any:
        machine = self.machine
        module.vars[name] = Unknown(f"{name}, which is being defined")
        saved = machine.tries, machine.uncertain, machine.errors
        oldest = machine.repetition.oldest
        machine.tries = machine.uncertain = 0
        machine.errors = []
        frame = Frame(module.vars, module)
        depth = machine.depth
        machine.enter(frame)
        reading = machine.undoing.read(self._is_library(module))
        try:
            self._execute(statement, frame)
        except Control:
            self._halt(module)
            raise
        except Exception as error:
            self._note(error, module, statement.line)
        finally:
            machine.undoing.read(reading)
            machine.unwind(depth)
            # What a module does when it is read, it does once.
            machine.repetition.oldest = oldest
            machine.tries, machine.uncertain, machine.errors = saved
        return module.vars.get(name, UNKNOWN)

    def _halt(self, module: Namespace) -> None:
        """A limit was met while this module was read: if it is a library's, it must not stay as it is."""
        self.halted = self.halted or self._is_library(module)

    def _is_library(self, module: Namespace) -> bool:
        return module.file is not None and self.in_library(module.file)

    def save(self) -> None:
        """Keep what was lowered since the last time in the store."""
        if self.store is None:
            return
        for name in self.touched:
            source = self.sources.get(name)
            if source is not None:
                source.save()
        self.touched.clear()

"""The numbers that are known of models, and the lines of open files to which they are tied.

A number is tied to the identity of a line, so it moves with the line while people type.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bitlens.analysis import Placed
from bitlens.numbers import Numbers
from bitlens.problems import Problem
from bitlens.sites import Site
from bitlens.stamps import Stamp

from bitlens_server.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Tied:
    """Numbers, and for each of their lines in one open program, the line's id."""

    numbers: Numbers
    file: str
    """The program's file as the numbers name it."""
    ids: Mapping[int, int]
    stale: bool = False
    original: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one model of a program."""

    program: str
    name: str
    numbers: Numbers
    key: str
    """What it was measured from, as `bitlens.cache.key` says."""
    stamps: Mapping[str, Stamp]
    selection: str | None = None
    """What was asked for, where that is not all models of the program."""
    original: bool = False
    """Whether it is the model before the program quantizes it."""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """What the source of a program says."""

    sites: tuple[Site, ...] = ()
    static: tuple[Numbers, ...] = ()
    written: Numbers | None = None


class Known:
    """Filled by the event loop and by threads, read by the thread that makes analyses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._static: dict[str, tuple[Tied, ...]] = {}
        self._written: dict[str, Tied] = {}
        self._sites: dict[str, tuple[tuple[int, Site], ...]] = {}
        self._measured: dict[tuple[str, str], Measured] = {}
        self._tied: dict[tuple[str, str, str], Tied] = {}
        self._roots: dict[str, str] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}

    def placed(self, program: str, snapshot: Snapshot) -> tuple[Placed, ...]:
        """Everything known of a program, on its lines of now; measured first, the newest first."""
        with self._lock:
            tied = [*self._measured_lines(program, False), *self._chosen(program)]
        return _placed(tied, snapshot)

    def originals(self, program: str, snapshot: Snapshot) -> tuple[Placed, ...]:
        """The models as they are before the program quantizes them, where that had to be measured."""
        with self._lock:
            tied = self._measured_lines(program, True)
        return _placed(tied, snapshot)

    def written(self, program: str, snapshot: Snapshot) -> Placed | None:
        """What single lines of a program say of their layers."""
        tied = self._written.get(program)
        return _placed([tied], snapshot)[0] if tied is not None else None

    def _measured_lines(self, program: str, original: bool) -> list[Tied]:
        """The newest first."""
        found = [one for key, one in self._tied.items() if key[0] == program and one.original == original]
        return found[::-1]

    def _chosen(self, program: str) -> tuple[Tied, ...]:
        """The static numbers of the chosen root, or of all."""
        found, root = self._static.get(program, ()), self._roots.get(program)
        return tuple(tied for tied in found if tied.numbers.root == root) or found

    def roots(self, program: str) -> tuple[str, ...]:
        """Models that the source of a program tells."""
        found = (tied.numbers for tied in self._static.get(program, ()))
        return tuple(numbers.root for numbers in found if numbers.root and numbers.model.layers)

    def root(self, program: str) -> str | None:
        """The one of them that was chosen, if it is still there."""
        chosen = self._roots.get(program)
        return chosen if chosen in self.roots(program) else None

    def choose(self, program: str, root: str | None) -> None:
        """Show the static numbers of one root alone; None for all."""
        if root is None:
            self._roots.pop(program, None)
        else:
            self._roots[program] = root

    def sites(self, program: str, snapshot: Snapshot) -> tuple[Site, ...]:
        """Where models are built and defined, on the lines of now."""
        found = self._sites.get(program, ())
        lines = {id: number for number, id in enumerate(snapshot.ids, 1)} if found else {}
        return tuple(replace(site, line=lines[id]) for id, site in found if id in lines)

    def has_static(self, program: str) -> bool:
        """Whether something is known from the source of a program already."""
        return bool(self._static.get(program))

    def problems(self, program: str) -> tuple[Problem, ...]:
        """What went wrong when the program's models were last measured."""
        return self._problems.get(program, ())

    def complain(self, program: str, problems: Iterable[Problem]) -> None:
        """Keep what went wrong, until the next measurement."""
        self._problems[program] = tuple(problems)

    def set_study(self, program: str, snapshot: Snapshot, study: Study) -> None:
        """What the source alone says of a program."""
        tied = tuple(_tie(one, str(snapshot.path.absolute()), snapshot.ids) for one in study.static)
        sites = tuple((snapshot.ids[s.line - 1], s) for s in study.sites if s.line <= len(snapshot.ids))
        with self._lock:
            self._static[program] = tied
            self._sites[program] = sites
            self._written.pop(program, None)
            if study.written is not None:
                self._written[program] = _tie(study.written, str(snapshot.path.absolute()), snapshot.ids)

    def set_measured(
        self, measured: Measured, snapshot: Snapshot, others: Iterable[tuple[str, Snapshot]]
    ) -> set[str]:
        """New numbers of one model; `others` are open programs that may hold library lines. Those changed."""
        program, name, numbers = measured.program, measured.name, measured.numbers
        changed = {program}
        with self._lock:
            self._measured.pop((program, name), None)
            self._measured[program, name] = measured
            tied = _tie(numbers, str(snapshot.path.absolute()), snapshot.ids)
            self._set(program, program, name, replace(tied, original=measured.original))
            for other, theirs in others if not measured.original else ():
                library = _tie_library(numbers, theirs)
                if other != program and library is not None:
                    self._set(other, program, name, library)
                    changed.add(other)
        return changed

    def opened(self, program: str, snapshot: Snapshot) -> None:
        """A program was opened: tie what is known of models that it constructs parts of."""
        with self._lock:
            for measured in self._measured.values():
                tied = None if measured.original else _tie_library(measured.numbers, snapshot)
                if tied is not None and measured.program != program:
                    self._set(program, measured.program, measured.name, replace(tied, stale=measured.stale))

    def set_stale(self, program: str, fresh: frozenset[str]) -> set[str]:
        """Mark models whose slice is no longer as measured; the programs whose answers changed."""
        changed = set()
        with self._lock:
            for key, tied in list(self._tied.items()):
                stale = key[2] not in fresh
                if key[1] == program and tied.stale != stale:
                    self._tied[key] = replace(tied, stale=stale)
                    changed.add(key[0])
            for name, measured in self.measured_of(program):
                self._measured[program, name] = replace(measured, stale=name not in fresh)
        return changed

    def is_tied(self, program: str, name: str) -> bool:
        """Whether a program's own model has its lines in the open text."""
        return (program, program, name) in self._tied

    def measured_of(self, program: str) -> list[tuple[str, Measured]]:
        """The measured models of a program, by their names."""
        return [(name, measured) for (owner, name), measured in self._measured.items() if owner == program]

    def measured(self) -> Iterator[Measured]:
        """Every measured model, the newest last."""
        return iter(list(self._measured.values()))

    def closed(self, program: str) -> None:
        """Lines of a closed program have no identity any more; its measured models stay known."""
        with self._lock:
            self._static.pop(program, None)
            self._sites.pop(program, None)
            self._written.pop(program, None)
            self._tied = {key: tied for key, tied in self._tied.items() if key[0] != program}
        self._problems.pop(program, None)

    def _set(self, program: str, owner: str, name: str, tied: Tied) -> None:
        self._tied.pop((program, owner, name), None)  # the newest stands last
        self._tied[program, owner, name] = tied


def _placed(tied: Sequence[Tied], snapshot: Snapshot) -> tuple[Placed, ...]:
    lines = {id: number for number, id in enumerate(snapshot.ids, 1)} if tied else {}
    return tuple(_place(one, lines) for one in tied)


def _place(tied: Tied, lines: Mapping[int, int]) -> Placed:
    here = {line: lines[id] for line, id in tied.ids.items() if id in lines}
    return Placed(tied.numbers, tied.file, here, tied.stale)


def _tie(numbers: Numbers, file: str, ids: tuple[int, ...]) -> Tied:
    lines = set(numbers.by_line(file))
    if numbers.model.file == file and numbers.model.line is not None:
        lines.add(numbers.model.line)
    return Tied(numbers, file, {line: ids[line - 1] for line in lines if 1 <= line <= len(ids)})


def _tie_library(numbers: Numbers, snapshot: Snapshot) -> Tied | None:
    """Numbers tied to a file that constructs parts of the model, by the text that is on disk; None if it does
    not.
    """
    here = os.path.realpath(snapshot.path)
    for file in numbers.files:
        if os.path.basename(file) == snapshot.path.name and os.path.realpath(file) == here:
            return _tie(numbers, file, snapshot.saved_ids)
    return None

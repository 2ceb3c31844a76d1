"""A file as its top-level statements: each parsed and lowered on its own when asked for, and kept by text.

An edit touches one statement, so the others cost nothing; a statement that does not parse loses only itself.
An installed file is no draft: there Python's own parser is asked first, many times as fast as libcst, and
libcst where it is too old for the syntax or somebody edits the file.
"""

from __future__ import annotations

import ast
import bisect
import hashlib
import io
import re
import threading
import tokenize
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import libcst as cst

from bitlens.problems import BitlensError, Problem
from bitlens.source.hollow import Body, bodies, emptied, hollow, parsed
from bitlens.source.literals import universal_newlines
from bitlens.source.lower import lower
from bitlens.source.split import pieces, too_deep
from bitlens.source.store import LoweredStore, encode
from bitlens.source.tokens import TokenError, line_starts

MAXIMUM_STATEMENT = 2_000_000
"""Characters of one statement; a longer one is data, and gets a problem instead of minutes of parsing."""
LONG_STATEMENT = 50_000
"""Characters of one statement without a block from which Python's own parser is asked first."""
_BLOCK = re.compile(r"@|(?:async|class|def|for|if|match|try|while|with)\b")
_F_STRING = re.compile(r"\b(?:f|fr|rf)['\"]", re.IGNORECASE)
MEMORY_BOUND = 1_000_000
"""Characters of statements whose nodes, some 80 times as large, are kept in memory while nobody uses them."""


class Failure(NamedTuple):
    """Why a text has no nodes; `line` and `column` count from 1 within the text."""

    line: int
    column: int
    message: str


@dataclass
class Lowered:
    """The outcome of lowering one text."""

    nodes: tuple[ast.stmt, ...] = ()
    failure: Failure | None = None


@dataclass(slots=True)
class Statement:
    """One top-level statement, or several that share a line (`a = 1; b = 2`)."""

    text: str
    line: int
    """Line of the file, from 1, on which `text` begins (a definition's first decorator)."""
    blob: bytes | None = field(default=None, repr=False)
    """What the store on disk holds for it."""
    begin: int = 0
    """Where in the file's text `text` begins."""
    library: bool = False
    """Whether it is evaluated with a library, and dropped with it."""
    draft: bool = True
    """Whether libcst is asked before Python's own parser."""
    bodies: tuple[Body, ...] | None = None
    """Where the bodies of its functions stand, if that is known."""
    learnt: bool = False
    """Whether that is not in the store yet."""
    _lowered: Lowered | None = field(default=None, repr=False)

    @property
    def nodes(self) -> tuple[ast.stmt, ...]:
        """The statements. THEIR LINES COUNT FROM THIS STATEMENT: `lineno` 1 is the file's line `self.line`.

        Never change a node: equal statements share it.
        """
        return self.lowered.nodes

    @property
    def node(self) -> ast.stmt | None:
        """The first of `nodes` (nearly always the only one), lines relative to this statement; None if
        broken."""
        nodes = self.lowered.nodes
        return nodes[0] if nodes else None

    @property
    def problem(self) -> Problem | None:
        """Why the statement does not parse, with its line in the file."""
        return self._problem(self.lowered.failure)

    @property
    def beyond(self) -> Problem | None:
        """As `problem`, for a statement that Python reads: whether it is too long or too deep. Lowers
        nothing."""
        return self._problem(_beyond(self.text) if self.draft else None)

    def _problem(self, failure: Failure | None) -> Problem | None:
        if failure is None:
            return None
        line = self.line + failure.line - 1
        return Problem("syntax-error", f"{failure.message}.", None, line, failure.column)

    @property
    def lowered(self) -> Lowered:
        """Nodes or failure; computed once, shared by all of a user's statements of the same text."""
        if self._lowered is None:
            self._lowered = _made(self) if self.library else _CACHE.get(self)
        return self._lowered

    @property
    def hollow(self) -> tuple[ast.stmt, ...]:
        """As `nodes`, of a library with bodies of functions that wait until `filled` asks for them; not
        kept."""
        if not self.library or self._lowered is not None:
            return self.nodes
        if self.bodies is not None:
            nodes = _quickly(emptied(self.text, self.bodies))
            if nodes is not None:
                return hollow(nodes, self.text, self.bodies)
        nodes = _quickly(self.text)
        if nodes is None:
            return self.nodes
        self.bodies, self.learnt = bodies(nodes, self.text), True
        return hollow(nodes, self.text, self.bodies)

    @property
    def is_lowered(self) -> bool:
        """Whether somebody asked for the nodes already."""
        return self._lowered is not None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A program's text (line ends as `\\n`, without byte order mark) and its top-level statements in
    order."""

    text: str
    statements: tuple[Statement, ...]
    store: LoweredStore | None = field(default=None, repr=False)
    stored: bool = field(default=False, repr=False)
    """Whether the store had it."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """One problem for each statement that does not parse. Lowers all of them."""
        found = (statement.problem for statement in self.statements)
        return tuple(problem for problem in found if problem is not None)

    def at(self, line: int) -> Statement | None:
        """The statement that covers a line of the file, if one does."""
        index = bisect.bisect_right([statement.line for statement in self.statements], line) - 1
        if index < 0:
            return None
        statement = self.statements[index]
        return statement if line <= statement.line + statement.text.count("\n") else None

    def save(self) -> None:
        """Keep what has been lowered in the store on disk, if there is one and it does not have it."""
        if self.store is None:
            return
        new = [s for s in self.statements if s.is_lowered and s.blob is None and s.nodes and s.draft]
        for statement in new:
            statement.blob = encode(statement.nodes)
        if new or not self.stored or any(s.learnt for s in self.statements):
            kept = [(s.line, s.begin, s.begin + len(s.text), s.blob, s.bodies) for s in self.statements]
            self.store.save(_key(self.text), kept)
            for statement in self.statements:
                statement.learnt = False


def parse(
    text: str, store: LoweredStore | None = None, library: bool = False, draft: bool = True
) -> SourceFile:
    """Split a program into its statements. Never raises, whatever the text; nothing is parsed yet."""
    text = plain_text(text)
    kept = None if store is None else store.load(_key(text))
    stored = kept is not None
    if kept is None:
        starts = line_starts(text)
        kept = [(bisect.bisect_right(starts, a), a, b, None, None) for a, b in pieces(text)]
    draft = draft and not library
    found = [Statement(text[a:b], line, blob, a, library, draft, inner) for line, a, b, blob, inner in kept]
    return SourceFile(text, tuple(found), store, stored)


def read(path: Path, store: LoweredStore | None = None, library: bool = False) -> SourceFile:
    """Read a file as Python would (byte order mark, coding cookie). Raises BitlensError if it cannot be
    read."""
    return parse(read_text(path), store, library)


def read_text(path: Path) -> str:
    """What `read` splits into statements. Raises BitlensError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot read the file: {error.strerror or error}"
        raise BitlensError(Problem("unreadable-file", message, str(path))) from error
    return decode(data, str(path))


def plain_text(text: str) -> str:
    """Line ends as `\\n`, without byte order mark."""
    return universal_newlines(text.removeprefix("\ufeff"))


def decode(data: bytes, name: str | None = None) -> str:
    """A program's bytes as text. Raises BitlensError for an unknown encoding or bytes that it cannot hold."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        message = f"the file is not text in its encoding ({error}); save it as UTF-8"
        raise BitlensError(Problem("not-text", message, name)) from error


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _beyond(text: str) -> Failure | None:
    """Why a statement is not read, right as it may be."""
    if len(text) > MAXIMUM_STATEMENT:
        return Failure(1, 1, f"statement of {len(text):,} characters is too long to be read")
    return Failure(1, 1, "statement is nested too deeply to be read") if too_deep(text) else None


def _lower(text: str) -> Lowered:
    failure = _beyond(text)
    if failure is not None:
        return Lowered(failure=failure)
    try:
        return Lowered(tuple(lower(cst.parse_module(text), text).body))
    except cst.ParserSyntaxError as error:
        return Lowered(failure=_explained(text, error))
    except TokenError as error:
        line, column = _place(text, error.args[1])
        return Lowered(failure=Failure(line, column, f"syntax error: {error.args[0]}"))
    except (ValueError, RecursionError, OverflowError, AttributeError, UnicodeError) as error:
        return Lowered(failure=Failure(1, 1, f"this statement cannot be read ({error})"))


def _made(statement: Statement) -> Lowered:
    nodes = None if statement.blob is None else LoweredStore.decode(statement.blob)
    if nodes is None and (not statement.draft or _is_data(statement.text)):
        nodes = _quickly(statement.text)
    return _lower(statement.text) if nodes is None else Lowered(nodes)


def _is_data(text: str) -> bool:
    """Whether libcst would take seconds for what is most likely a table of constants. Before 3.12 Python's
    own parser misplaces what stands in an f-string.
    """
    if len(text) <= LONG_STATEMENT or _BLOCK.match(text) or _F_STRING.search(text):
        return False
    return _beyond(text) is None


def _quickly(text: str) -> tuple[ast.stmt, ...] | None:
    """What Python's own parser makes of a statement; None where it does not read it."""
    if len(text) > MAXIMUM_STATEMENT:
        return None
    try:
        return parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _explained(text: str, error: cst.ParserSyntaxError) -> Failure:
    """libcst only says that a statement is wrong; Python's own parser mostly says what is."""
    try:
        parsed(text)
    except SyntaxError as said:
        return Failure(said.lineno or error.raw_line, said.offset or 1, f"syntax error: {said.msg}")
    except (ValueError, RecursionError, MemoryError):
        pass
    return Failure(error.raw_line, error.raw_column + 1, "syntax error")


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


class _Cache:
    """Lowered statements by text: those in use, and the most recently used up to MEMORY_BOUND characters."""

    def __init__(self) -> None:
        self.used: WeakValueDictionary[str, Lowered] = WeakValueDictionary()
        self.kept: OrderedDict[str, Lowered] = OrderedDict()
        self.size = 0
        self.lock = threading.Lock()
        self.busy: dict[str, threading.Lock] = {}
        """One for each text that a thread lowers right now, so that no other does the same."""

    def get(self, statement: Statement) -> Lowered:
        """The outcome for a statement: from memory, from the store's blob, or by parsing."""
        text = statement.text
        with self.lock:
            found = self.used.get(text)
            if found is not None:
                self._keep(text, found)
                return found
            busy = self.busy.setdefault(text, threading.Lock())
        with busy:
            found = self.used.get(text)
            if found is None:
                found = _made(statement)
            with self.lock:
                self._keep(text, found)
                self.busy.pop(text, None)
        return found

    def _keep(self, text: str, made: Lowered) -> None:
        if text not in self.kept:
            self.size += len(text)
        self.used[text] = self.kept[text] = made
        self.kept.move_to_end(text)
        for oldest in self._surplus():
            del self.kept[oldest]
            self.size -= len(oldest)

    def _surplus(self) -> Iterator[str]:
        while self.size > MEMORY_BOUND and len(self.kept) > 1:
            yield next(iter(self.kept))


_CACHE = _Cache()

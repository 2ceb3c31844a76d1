"""An exception of a user's program as one problem: code, place in the user's file, and the way out."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import traceback
from dataclasses import dataclass

from bitlens.worker.limits import NetworkOff
from bitlens.worker.wire import Event

_ALLOCATION = re.compile(r"you tried to allocate (\d+)")
_REFUSED = re.compile(r"can't allocate memory|not enough memory|Cannot allocate memory")


@dataclass(frozen=True)
class Failure:
    """One problem, in the form of the wire."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None

    def as_event(self) -> Event:
        """The keys of a `problem` event, without its name."""
        return {
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "severity": "error",
        }

    @classmethod
    def from_status(cls, status: int) -> Failure:
        """A child that ended without saying why (`os.waitpid` status)."""
        if not os.WIFSIGNALED(status):
            return cls(
                "worker-died",
                f"the program ended the measuring process itself (exit status {os.WEXITSTATUS(status)})",
            )
        number = os.WTERMSIG(status)
        if number == signal.SIGKILL:
            return cls(
                "memory-limit",
                "the system killed the measuring process, most likely for its memory; try --device meta",
            )
        return cls(
            "worker-died",
            f"the measuring process crashed ({signal.Signals(number).name}), usually in a compiled extension",
        )


class Refused(Exception):
    """Raised where the worker itself will not go on: code, what is wrong with the way out, place."""

    def __init__(self, code: str, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.file = file
        self.line = line


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is a refused allocation, of Python, of torch on the CPU or of a GPU."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and _REFUSED.search(str(error)) is not None)
    )


def describe(error: BaseException, file: str | None) -> Failure:
    """The problem behind `error`; its line is the innermost one inside `file`."""
    if isinstance(error, Refused):
        return Failure(error.code, error.message, error.file, error.line)
    if isinstance(error, SyntaxError):
        return Failure("syntax-error", _syntax(error, file), error.filename or file, error.lineno)
    code, message = _explain(error)
    return Failure(code, message, file, _line_in(error, file))


def _syntax(error: SyntaxError, file: str | None) -> str:
    """The program itself was read before it came here, with the syntax of the newest Python."""
    version = f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})"
    newer = "; choose a newer one with --python" if error.filename == file else ""
    return f"{error.msg}, says {version}, which builds the model{newer}"


def _explain(error: BaseException) -> tuple[str, str]:
    cause = _first_known(error)
    if isinstance(cause, NetworkOff):
        return "network-off", str(cause)
    if is_out_of_memory(cause):
        return "memory-limit", f"{_wanted(cause)}; raise --memory-limit or use --device meta"
    if _is_uncached(cause):
        return (
            "not-in-cache",
            "this loads a model that is not in the local hub cache, and the network is off; "
            "download it once, or allow it with --allow-network",
        )
    if isinstance(error, ImportError):
        hint = f"install it in {sys.executable}, or choose another interpreter with --python"
        return "import-failed", f"{_one_line(error)}; {hint}"
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "program-raised", f"the program ended ({_one_line(error)}) before its model was built"
    return "program-raised", f"building the model raised {_one_line(error)}"


def _first_known(error: BaseException) -> BaseException:
    """Libraries wrap the refusal of the network or the allocator in their own errors: search the chain."""
    seen: BaseException | None = error
    for _ in range(16):
        if seen is None:
            break
        if isinstance(seen, NetworkOff) or is_out_of_memory(seen) or _is_uncached(seen):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


def _is_uncached(error: BaseException) -> bool:
    """Known by name: huggingface_hub may be absent here, and the program's copy is its own."""
    return type(error).__name__ in ("LocalEntryNotFoundError", "OfflineModeIsEnabled")


def _wanted(error: BaseException) -> str:
    match = _ALLOCATION.search(str(error))
    if match is None:
        return "the program needs more memory than the limit allows"
    return f"the program tried to allocate {int(match.group(1)):,} bytes at once, more than the limit"


def _line_in(error: BaseException, file: str | None) -> int | None:
    lines = [
        number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file
    ]
    return lines[-1] if lines else None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__

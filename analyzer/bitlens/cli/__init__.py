"""The command `bitlens`: exit 0 clean, 1 some of it failed, 2 no answer; never a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from bitlens.cli.arguments import parse
from bitlens.cli.messages import fail, problem_line
from bitlens.problems import BitlensError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process) and return its exit code."""
    # A terminated bitlens unwinds like an interrupted one, so that the worker is ended with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _never_fail_to_encode()
    try:
        arguments = parse(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return fail("interrupted")
    except BrokenPipeError:
        return _reader_left()
    except BitlensError as error:
        return fail(problem_line(error.problem, severity=False))
    except OSError as error:
        return fail(f"{error.filename or 'input/output'}: {error.strerror or error}")
    except Exception as error:
        if os.environ.get("BITLENS_DEBUG"):
            raise
        return fail(
            f"internal error, {type(error).__name__}: {error}\n"
            "This is a bug in bitlens; please report it with what BITLENS_DEBUG=1 prints."
        )


def _never_fail_to_encode() -> None:
    """A terminal or pipe that is not UTF-8 gets `?` where it lacks a character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _reader_left() -> int:
    """`bitlens … | head`: nobody reads on, which is no failure; keeps Python from complaining at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0

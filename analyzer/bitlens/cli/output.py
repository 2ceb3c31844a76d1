"""Where the answer goes: a terminal, a pipe, or a file that is complete or absent."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bitlens.cli.table import Block, plain
from bitlens.writing import write_whole

if TYPE_CHECKING:
    from rich.console import Console


def show(blocks: list[Block], arguments: argparse.Namespace, output: str | None = None) -> None:
    """Draw on a terminal, print plain text anywhere else."""
    if output is None and sys.stdout.isatty():
        from bitlens.cli.terminal import draw

        draw(blocks, console(sys.stdout, arguments))
    else:
        write(plain(blocks), output)


def write(text: str, output: str | None) -> None:
    """Print, or write the whole file at once: no reader sees half of it, and a failure leaves the old one."""
    if output is None:
        sys.stdout.write(text)
        return
    write_whole(Path(output), text.encode(), _mode_of_new_files())


def console(stream: TextIO, arguments: argparse.Namespace) -> Console:
    """A rich console; NO_COLOR and TERM=dumb are known to rich itself."""
    from rich.console import Console

    return Console(
        file=stream, no_color=arguments.no_color or None, highlight=False, markup=False, emoji=False
    )


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

"""What `bitlens check` adds where a memory budget is set: the models as the source alone tells them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bitlens import interpreters
from bitlens.analysis import Analysis
from bitlens.numbers import Numbers
from bitlens.source.store import LoweredStore
from bitlens.statics import Reading, static_numbers


def evaluated(analysis: Analysis, arguments: argparse.Namespace) -> Iterator[Numbers]:
    """The sizes of all models that the program builds, however many; runs nothing.

    Raises BitlensError for a wrong interpreter.
    """
    packages = interpreters.site_packages(interpreters.choose(arguments.python).path)
    how = Reading(packages, LoweredStore(), analysis.settings.models, most=None)
    return static_numbers(analysis.program, how)

"""What `bitlens check` adds where a memory budget is set: the models as the source alone tells them."""

from __future__ import annotations

import argparse

from bitlens.analysis import Analysis
from bitlens.reading import reading
from bitlens.source.store import LoweredStore
from bitlens.statics import static_numbers


def evaluated(analysis: Analysis, arguments: argparse.Namespace) -> Analysis:
    """The analysis with the sizes of the models that its program builds; runs nothing."""
    how = reading(analysis.path, arguments.python, store=LoweredStore())
    return analysis.knowing(static_numbers(analysis.program, how))

"""`bitlens schemes`: the numeric formats known."""

from __future__ import annotations

import argparse

from bitlens import backends, schemes
from bitlens.cli.output import show
from bitlens.cli.table import Column, Table, Words
from bitlens.quantities import three_digits


def run(arguments: argparse.Namespace) -> int:
    """Print one row for each scheme."""
    columns = (
        Column(("scheme",), "left"),
        Column(("bits",)),
        Column(("bytes/weight",)),
        Column(("granularity",), "left"),
        Column(("library",), "left"),
        Column(("what it is",), "left", 1),
    )
    rows = tuple(_row(schemes.get(name)) for name in schemes.all_ids())
    legend = (
        "bytes/weight: a large bfloat16 weight, scales included. * is measured unless --scheme says else."
    )
    short = (f"{name} = {id}" for library in backends.all_names() for name, id in _aliases(library))
    note = "`analyze --backend ID` shows a model as the library would leave it. Short names: "
    lines = (Words(""), Words(legend, "quiet"), Words(note + ", ".join(short), "quiet"))
    show([Table(columns, rows), *lines], arguments)
    return 0


def _aliases(library: str) -> list[tuple[str, str]]:
    return list(backends.get(library).aliases.items())


def _row(scheme: schemes.Scheme) -> tuple[Words, ...]:
    default = "*" if scheme.id in schemes.DEFAULT_IDS else ""
    return (
        Words(scheme.id + default),
        Words(str(scheme.bits)),
        Words(three_digits(scheme.bytes_per_weight)),
        Words(scheme.granularity),
        Words(scheme.library),
        Words(scheme.title, "quiet"),
    )

"""One program, measured once, for all tests of features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bitlens.analysis import Analysis, Placed
from bitlens.measurement import Report
from bitlens.measuring import Options, measure
from bitlens.numbers import Numbers
from bitlens.settings import Settings
from bitlens.sites import sites_of
from bitlens.source.program import read

PROGRAM = """\
import torch
from optimum.quanto import freeze, qint8, quantize
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width, dtype=torch.float16)
        self.drop = nn.Dropout(0.1)


class Net(nn.Module):
    def __init__(self, blocks=3):
        super().__init__()
        self.embed = nn.Embedding(1000, 32)
        self.blocks = nn.ModuleList([Block(32) for _ in range(blocks)])
        self.head = nn.Linear(32, 1000, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head.weight.float()


model = Net()
"""
Analysed = Callable[..., Analysis]


@pytest.fixture(scope="session")
def program_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, on disk."""
    path = tmp_path_factory.mktemp("program") / "net.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture(scope="session")
def report(program_file: Path) -> Report:
    """What the worker measured of it."""
    return measure(str(program_file), Options(time_limit=300, histograms=True))


@pytest.fixture
def analysed(program_file: Path, report: Report) -> Analysed:
    """The program with its measurement, under given settings."""

    def make(settings: Settings | None = None, stale: bool = False, complete: bool = True) -> Analysis:
        program = read(program_file)
        numbers = Numbers(report.models[0], "measured", report.environment, 1_700_000_000.0, complete)
        lines = {number: number for number in range(1, 100)}
        placed = Placed(numbers, program.file, lines, stale)
        sites = sites_of(program)[0]
        return Analysis(program_file, program.text, (placed,), settings or Settings(), sites)

    return make

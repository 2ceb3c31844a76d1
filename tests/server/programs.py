"""Programs that the server's tests open."""

from __future__ import annotations

from pathlib import Path

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, n=3):
        super().__init__()
        self.fc = nn.Linear(64, 32)  # 中文😀 für
        self.blocks = nn.ModuleList([nn.Linear(32, 32) for _ in range(n)])
        self.head = nn.Linear(32, 8, dtype=torch.float16)

    def forward(self, x):
        return self.fc.weight


model = Net()
"""
"""One layer behind non-ASCII text, several on one line, another dtype, a model."""

SAVED = """\
import torch
from optimum.quanto import qint8, quantize
from torch import nn

model = nn.Sequential(nn.Linear(64, 64))
\u0023 中文😀
quantize(model, weights=qint8)
torch.save(model.state_dict(), "x.pt")
"""
"""Quantized, never frozen, and saved: a finding with a fix."""


def write_marking(folder: Path, marker: Path) -> tuple[Path, str]:
    """A program that leaves `marker` behind as soon as any of it runs: itself, or what it imports."""
    mark = f"import pathlib\n\npathlib.Path({str(marker)!r}).touch()\n"
    part = NET.partition("\n\n\nmodel")[0]
    (folder / "part.py").write_text(mark + part, encoding="utf-8")
    text = f"""\
{mark}import torch
from part import Net
from torch import nn


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        pathlib.Path({str(marker)!r}).touch()
        self.net = Net()
        self.fc = nn.Linear(64, 32)


model = Both()
torch.save(model, "x.pt")
"""
    path = folder / "main.py"
    path.write_text(text, encoding="utf-8")
    return path, text

"""Notebooks: findings by cell, and fixes in the cell that they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bitlens.actions import Span, edited, offers
from bitlens.analysis import Analysis
from bitlens.cli import main
from bitlens.source.program import read

CELLS: list[dict[str, Any]] = [
    {"cell_type": "markdown", "metadata": {}, "source": ["# Net 😀\n", "text"]},
    {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "outputs": [],
        "source": ["%pip install -q quanto\n", "import torch\n", "from torch import nn"],
    },
    {
        "cell_type": "code",
        "execution_count": 2,
        "metadata": {"tags": ["keep"]},
        "outputs": [{"name": "stdout", "output_type": "stream", "text": ["1\n"]}],
        "source": "!ls\nnet = nn.Sequential(nn.Linear(8, 8))\nnet.load_state_dict(torch.load('net.pt'))",
    },
    {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": []},
    {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": ["net(torch.ones(1, 8))"],
    },
]


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    document = {"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "net.ipynb"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def test_a_finding_names_its_cell(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "net.ipynb"]) == 1
    assert capsys.readouterr().out.startswith("net.ipynb:cell 3:3:21: warning: BL302")


def test_a_fix_changes_its_cell_and_nothing_else(notebook: Path) -> None:
    before = notebook.read_text("utf-8")
    assert main(["check", "net.ipynb", "--fix"]) == 0
    after = notebook.read_text("utf-8")
    assert after == before.replace("torch.load('net.pt')", "torch.load('net.pt', weights_only=True)")


def test_an_action_stays_in_its_cell(notebook: Path) -> None:
    """The import joins the notebook's first imports; what another cell uses comes after the change."""
    program = read(notebook)
    analysis = Analysis(notebook, program.text, cells=program.cells)
    line = program.text[: program.text.index("net =")].count("\n") + 1
    offer = next(o for o in offers(analysis, Span(line, 0, line, 5)) if o.id == "quantize.qint8")
    after = edited(analysis, offer.edit())
    by_cell: dict[int, list[str]] = {}
    for place, text in zip(after.cells or (), after.text.split("\n"), strict=False):
        by_cell.setdefault(place.cell, []).append(text)
    assert by_cell[1] == [
        "",
        "import torch",
        "from optimum.quanto import freeze, qint8, quantize",
        "from torch import nn",
    ]
    assert by_cell[2] == [
        "",
        "net = nn.Sequential(nn.Linear(8, 8))",
        "net.load_state_dict(torch.load('net.pt'))",
        "quantize(net, weights=qint8)",
        "freeze(net)",
    ]
    assert by_cell[4] == ["net(torch.ones(1, 8))"]
    assert not any(o.id.startswith("quantize") for o in offers(after, Span(line + 1, 0, line + 1, 5)))


def test_a_syntax_error_is_placed_in_its_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sources = ("import torch\nx = 1\n", "y = 2\ndef f(:\n")
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "net.ipynb").write_text(json.dumps(notebook))
    assert main(["check", "net.ipynb"]) == 2
    assert "net.ipynb:cell 2:2:7: syntax error" in capsys.readouterr().err

"""Places in a notebook are a cell and a line in it, in the text and in the document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def notebook(folder: Path, *cells: str) -> Path:
    file = folder / "net.ipynb"
    markdown = {"cell_type": "markdown", "metadata": {}, "source": ["# a title"]}
    code = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
        for text in cells
    ]
    file.write_text(
        json.dumps({"cells": [markdown, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return file


def analyze(file: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "bitlens", "analyze", file.name, *arguments]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=True).stdout


def test_layers_stand_in_their_cells(tmp_path: Path) -> None:
    file = notebook(
        tmp_path,
        "%matplotlib inline\nimport torch.nn as nn\n",
        "body = nn.Linear(4, 5)\nhead = nn.Linear(5, 2)\n",
        "model = nn.Sequential(body,\n                      head)\n",
    )
    document = json.loads(analyze(file, "--model", "model", "--format", "json"))
    model = document["models"][0]
    assert (model["file"], model["cell"], model["line"]) == ("net.ipynb", 4, 1)
    assert [(layer["cell"], layer["line"]) for layer in model["layers"]] == [(3, 1), (3, 2)]
    assert "net.ipynb:cell 3:2" in analyze(file, "--model", "model", "--flat")

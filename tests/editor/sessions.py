"""A session in a real editor: a script drives it with our configuration and writes down what it saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = """\
import torch
from optimum.quanto import qint8, quantize
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 32)  # 中文😀 für


def save():
    model = Net()
    quantize(model, weights=qint8)
    torch.save(model.state_dict(), "x.pt")


plain = Net()
"""
LINE = 8
"""Of the layer, from 0."""


def script(name: str) -> str:
    """The path of a script beside this file."""
    return str(Path(__file__).with_name(name))


def seen(command: Sequence[str], folder: Path, configuration: str) -> dict[str, Any]:
    """What the script in `command` saw of PROGRAM, which is written to `folder` as `net.py`; `configuration`
    is one of those that we give to users.
    """
    path, written = folder / "net.py", folder / "seen.json"
    path.write_text(PROGRAM, encoding="utf-8")
    environment = {
        **os.environ,
        "BITLENS_CONFIGURATION": str(Path(__file__).parents[2] / "editor-client" / configuration),
        "BITLENS_COMMAND": json.dumps([sys.executable, "-m", "bitlens_server"]),
        "BITLENS_FILE": str(path),
        "BITLENS_LINE": str(LINE),
        "BITLENS_SEEN": str(written),
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
    }
    ended = subprocess.run(
        command, env=environment, capture_output=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert written.exists(), ended.stderr
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    assert "failed" not in found, found["failed"]
    return found

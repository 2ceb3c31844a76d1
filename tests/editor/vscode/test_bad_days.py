"""The extension in VS Code itself where something is wrong: one message, one button, no repeats."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editor.vscode import stand_in
from editor.vscode.code_server import CodeServer, machine_settings
from editor.vscode.conftest import PICTURES, PYTHON, TOOLS
from editor.vscode.window import PATIENCE, Window
from playwright.sync_api import BrowserContext, expect

Opener = Callable[[str], Window]
LIAR = """#!/bin/sh
# Says something else of itself when it is asked what it is.
case "$2" in *find_spec*) echo '{answer}';; *) exec '{python}' "$@";; esac
"""


def lying(file: Path, version: tuple[int, int, int], bitlens: str | None) -> Path:
    """A Python that says that it is of some version and has some bitlens."""
    said = {"executable": str(file), "version": version, "bitlens": bitlens, "torch": True}
    file.write_text(LIAR.format(answer=json.dumps(said), python=PYTHON), "utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def without_python(installed: Path, tmp_path: Path) -> Iterator[CodeServer]:
    """VS Code on a machine whose PATH has no Python."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "env", "uname", "ps"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    server = CodeServer(TOOLS, tmp_path / "user", installed, path=str(programs))
    server.user.mkdir()
    server.settings()
    yield server.start()
    server.stop()


def test_a_missing_an_old_and_a_foreign_python_are_each_told_once(
    without_python: CodeServer, context: BrowserContext, folder: Path, tmp_path: Path
) -> None:
    page = context.new_page()
    page.goto(without_python.url(folder, folder / "classifier.py"))
    window = Window(page, PICTURES)

    def told(words: str, button: str) -> None:
        """The newest message; each of the earlier ones stays there once."""
        expect(window.notifications.filter(has_text=words)).to_have_count(1, timeout=PATIENCE)
        buttons = page.locator(".notifications-toasts .notification-list-item").first.locator(
            ".monaco-button"
        )
        expect(buttons).to_have_text([button], timeout=PATIENCE)

    told("found no Python", "Select Interpreter")
    old = lying(tmp_path / "旧的 python", (3, 8, 10), None)
    without_python.settings(**machine_settings(old, {}))
    told("the newest found is 3.8.10", "Select Interpreter")
    foreign = lying(tmp_path / "python 9", (3, 11, 0), "9.0.0")
    without_python.settings(**machine_settings(foreign, {}))
    told("has bitlens 9.0.0", "Use the Extension's Copy")
    expect(window.notifications).to_have_count(3)
    window.picture("foreign")
    page.locator(".notifications-toasts .monaco-button").filter(has_text="Use the Extension's Copy").click()
    window.hint("self.head = ", r"15 KB")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that takes no writes, with the programs on it."""
    disk = tmp_path / "只读 disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "bitlens-test", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a file system here")
    try:
        shutil.copytree(Path(__file__).parent / "programs", disk / "work")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        yield disk / "work"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_read_only_disk_is_no_trouble(code: CodeServer, context: BrowserContext, read_only: Path) -> None:
    page = context.new_page()
    page.goto(code.url(read_only, read_only / "classifier.py"))
    window = Window(page, PICTURES)
    window.hint("self.head = ", r"15 KB")
    window.lens("Measure").click()
    window.hint("self.head = ", "int8")
    expect(window.notifications).to_have_count(0)


def test_ten_windows_at_once_each_get_their_hints(opened: Opener) -> None:
    windows = [opened("classifier.py") for _ in range(10)]
    for window in windows:
        window.hint("self.head = ", r"15 KB")
        expect(window.notifications).to_have_count(0)


def test_everything_of_ours_is_in_chinese(
    extension: Path, context: BrowserContext, folder: Path, tmp_path: Path
) -> None:
    """Menus, settings and messages; VS Code's own texts stay as they are, since no language pack is here."""
    (tmp_path / "extensions").mkdir()
    (tmp_path / "user").mkdir()
    server = CodeServer(TOOLS, tmp_path / "user", tmp_path / "extensions", locale="zh-cn")
    server.install(extension)
    stand_in.language_pack(server.user)
    server.settings(**machine_settings(PYTHON, {"bitlens.importStrategy": "useBundled"}))
    try:
        server.start()
        page = context.new_page()
        page.goto(server.url(folder, folder / "classifier.py"))
        window = Window(page, PICTURES)
        window.hint("self.head = ", r"15 KB")
        window.command("bitlens: 打开模型树")
        expect(page.locator(".pane-header").filter(has_text="模型树")).to_be_visible(timeout=PATIENCE)
        window.status.click()
        expect(page.locator(".quick-input-title")).to_have_text(re.compile("为什么"), timeout=PATIENCE)
        window.picture("chinese")
    finally:
        server.stop()

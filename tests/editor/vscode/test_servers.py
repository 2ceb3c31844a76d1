"""The extension in VS Code itself: its server stopped or changed, and a workspace that nobody trusts."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editor.vscode import stand_in
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
def own(installed: Path, tmp_path: Path) -> Iterator[Callable[..., CodeServer]]:
    """Start a VS Code with settings of its own, and another extensions folder where one is given."""
    started: list[CodeServer] = []

    def start(extensions: Path = installed, **settings: object) -> CodeServer:
        server = CodeServer(TOOLS, tmp_path / "user", extensions)
        server.user.mkdir()
        server.settings(**settings)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


def test_a_server_that_keeps_crashing_is_told_once(
    own: Callable[..., CodeServer], context: BrowserContext, folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    code = own(**{"bitlens.path": str(broken)})
    page = context.new_page()
    page.goto(code.url(folder, folder / "classifier.py"))
    window = Window(page, PICTURES)
    expect(window.notifications).to_have_count(1, timeout=PATIENCE)
    page.wait_for_timeout(5000)
    expect(window.notifications).to_have_count(1)
    expect(page.locator(".notifications-toasts .monaco-button")).to_have_count(1)
    window.picture("crashes")


@pytest.mark.parametrize(
    ("name", "api", "source"),
    [
        ("python", stand_in.PYTHON, "Python"),
        ("vscode-python-envs", stand_in.ENVIRONMENTS, "Python Environments"),
    ],
)
def test_the_python_extensions_choose_the_interpreter(
    own: Callable[..., CodeServer],
    context: BrowserContext,
    folder: Path,
    tmp_path: Path,
    extension: Path,
    name: str,
    api: str,
    source: str,
) -> None:
    extensions, other = tmp_path / "extensions", tmp_path / "other"
    extensions.mkdir()
    (tmp_path / "install").mkdir()
    venv.create(other, with_pip=False)
    installer = CodeServer(TOOLS, tmp_path / "install", extensions)
    installer.install(extension)
    second = other / "bin" / "python"
    installer.install(stand_in.pack(tmp_path / "standin.vsix", name, api, PYTHON, second))
    code = own(extensions)
    page = context.new_page()
    page.goto(code.url(folder, folder / "classifier.py"))
    window = Window(page, PICTURES)
    window.hint("self.head = ", r"15 KB")
    assert explained(window, re.compile(f"{re.escape(str(PYTHON))} \\({source}\\)"))
    page.keyboard.press("Escape")
    window.command("Change Stand-In")
    label = re.compile(f"{re.escape(str(second))} \\({source}\\)")
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and not explained(window, label):
        page.wait_for_timeout(1000)
    assert explained(window, label)


def test_an_interpreter_without_torch_is_told_with_a_button(
    own: Callable[..., CodeServer], context: BrowserContext, folder: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    code = own(**machine_settings(bare / "bin" / "python", {}))
    page = context.new_page()
    page.goto(code.url(folder, folder / "classifier.py"))
    window = Window(page, PICTURES)
    window.hint("self.head = ", r"15 KB")
    window.lens("Measure").click()
    expect(window.notifications.filter(has_text="has no PyTorch")).to_have_count(1, timeout=PATIENCE)
    expect(page.locator(".notifications-toasts .monaco-button")).to_have_count(1)


def test_the_universal_package_installs_the_server_on_request(
    own: Callable[..., CodeServer], context: BrowserContext, folder: Path, tmp_path: Path, universal: Path
) -> None:
    extensions, bare = tmp_path / "extensions", tmp_path / "bare"
    extensions.mkdir()
    (tmp_path / "install").mkdir()
    CodeServer(TOOLS, tmp_path / "install", extensions).install(universal)
    venv.create(bare, with_pip=False)
    code = own(extensions, **machine_settings(bare / "bin" / "python", {}))
    page = context.new_page()
    page.goto(code.url(folder, folder / "classifier.py"))
    window = Window(page, PICTURES)
    expect(window.notifications.filter(has_text="is not installed")).to_have_count(1, timeout=PATIENCE)
    window.page.wait_for_timeout(1000)
    window.picture("install")
    page.locator(".notifications-toasts .monaco-button").filter(has_text="Install").click()
    pattern = re.compile(r"15[ \u00a0]KB")
    expect(window.line("self.head = ")).to_contain_text(pattern, timeout=3 * PATIENCE)


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
    window.page.wait_for_timeout(1000)  # it slides in
    window.picture("restricted")
    assert not marker.exists(), marker.read_text()

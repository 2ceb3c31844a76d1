"""VS Code, the extension in it, and a browser; without `make test-editor` nothing here is collected."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = Path(os.environ.get("BITLENS_CODE_SERVER", ""))
collect_ignore_glob = [] if TOOLS.is_absolute() else ["test_*.py"]

if TOOLS.is_absolute():
    from editor.vscode.code_server import CodeServer, machine_settings
    from editor.vscode.window import PATIENCE, Window
    from playwright.sync_api import Browser, BrowserContext, sync_playwright

PICTURES = ROOT / "build" / "editor" / "screenshots"
PYTHON = Path(sys.executable)
PROGRAMS = Path(__file__).parent / "programs"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
Opener = Callable[..., "Window"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of every window of a test that failed."""
    report = yield
    context = item.funcargs.get("context") if isinstance(item, pytest.Function) else None
    if report.failed and context is not None:
        for number, page in enumerate(context.pages):
            page.screenshot(path=PICTURES / "failed" / f"{item.name}-{number}.png")
    return report


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that reaches nothing but this machine."""
    found = browser.new_context(viewport={"width": 1280, "height": 800})
    found.set_default_timeout(PATIENCE)
    found.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())
    yield found
    found.close()


@pytest.fixture(scope="session")
def extension() -> Path:
    """The packaged extension with the server inside, as `make vsix` left it."""
    return next((ROOT / "dist").glob("bitlens-*-*-*.vsix"))


@pytest.fixture(scope="session")
def universal() -> Path:
    """The packaged extension without the server."""
    return next(file for file in (ROOT / "dist").glob("bitlens-*.vsix") if file.stem.count("-") == 1)


@pytest.fixture(scope="session")
def installed(extension: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extensions folder that holds it."""
    folder = tmp_path_factory.mktemp("extensions")
    CodeServer(TOOLS, tmp_path_factory.mktemp("install"), folder).install(extension)
    return folder


@pytest.fixture(scope="session")
def code(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    """VS Code in which every folder is trusted."""
    server = CodeServer(TOOLS, tmp_path_factory.mktemp("user"), installed)
    server.settings(**machine_settings(PYTHON, {"bitlens.importStrategy": "useBundled"}))
    yield server.start()
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace whose path has a space and Chinese characters, with the programs of this folder."""
    return Path(shutil.copytree(PROGRAMS, tmp_path / "我的 模型"))


@pytest.fixture
def opened(code: CodeServer, context: BrowserContext, folder: Path) -> Opener:
    """Open one of the folder's files in a window."""

    def open_(name: str) -> Window:
        page = context.new_page()
        page.goto(code.url(folder, folder / name))
        return Window(page, PICTURES)

    return open_


@pytest.fixture
def run_program() -> Callable[[Path], str]:
    """Run a program as its user would; its output."""

    def run(file: Path) -> str:
        ended = subprocess.run(
            [PYTHON, file.name], cwd=file.parent, capture_output=True, text=True, timeout=300
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run

"""What the extension's package.json and Sublime Text's files say agrees with the Python declaration, and with
the Chinese texts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import bitlens
from bitlens.settings import declared
from bitlens_server.__main__ import COMMANDS

EXTENSION = Path(__file__).parents[2] / "editor-client" / "vscode"


def read(name: str) -> Any:
    return json.loads((EXTENSION / name).read_text("utf-8"))


def test_the_settings_are_as_declared() -> None:
    """After a change of the settings: python editor-client/vscode/manifest.py"""
    command = [sys.executable, str(EXTENSION / "manifest.py"), "--check"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "out of date: nothing\n"


def test_no_workspace_chooses_what_runs_in_restricted_mode() -> None:
    restricted = read("package.json")["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    chosen = {f"bitlens.{item.editor}" for item in declared() if item.restricted}
    assert chosen | {"bitlens.path", "bitlens.args", "bitlens.cwd"} == set(restricted)


def test_the_versions_are_in_step() -> None:
    assert read("package.json")["version"] == read("package-lock.json")["version"] == bitlens.__version__


def test_the_lock_names_no_registry() -> None:
    assert not re.search('"resolved"', (EXTENSION / "package-lock.json").read_text("utf-8"))


def test_every_text_is_there_in_chinese() -> None:
    """The texts of the code itself are compared by the extension's own tests."""
    assert read("package.nls.json").keys() == read("package.nls.zh-cn.json").keys()


def test_no_command_has_the_name_of_one_of_the_servers() -> None:
    """The client library registers those itself, and refuses to start where a name is taken."""
    ours = {command["command"] for command in read("package.json")["contributes"]["commands"]}
    assert ours
    assert not ours & COMMANDS.keys()


def test_sublime_text_asks_this_server_for_commands_that_it_has() -> None:
    """What lsp_execute of the package LSP names: a server of its settings, and a command of that server."""
    folder = EXTENSION.with_name("sublime")
    entries = json.loads((folder / "bitlens.sublime-commands").read_text("utf-8"))
    servers = json.loads((folder / "LanguageServers.sublime-settings").read_text("utf-8"))
    assert {entry["args"]["session_name"] for entry in entries} == servers.keys()
    assert {entry["args"]["command_name"] for entry in entries} <= COMMANDS.keys()

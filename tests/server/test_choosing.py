"""What is measured and where: configured classes, the workspace's environment, rounded weights."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import bitlens
import pytest
from bitlens.interpreters import beside
from bitlens.problems import Problem
from bitlens_server.wording import in_editor
from server.clients import Editor, InProcess, label, polled
from server.test_requests import diagnostic, played

CONFIGURED = """\
from dataclasses import dataclass

from torch import nn


@dataclass
class NetConfig:
    width: int = 64


class Net(nn.Module):
    def __init__(self, config: NetConfig):
        super().__init__()
        self.fc = nn.Linear(config.width, 32)


class Other(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, 32)
"""
TORCHAO = """\
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_

model = nn.Sequential(nn.Linear(64, 64))
quantize_(model, Int8WeightOnlyConfig())
"""


def test_what_was_measured_by_name_is_known_to_the_next_server(cache: Path, tmp_path: Path) -> None:
    """Unless its text has changed."""
    path = tmp_path / "net.py"
    path.write_text(CONFIGURED)
    uri = path.as_uri()

    def shown(editor: Editor, text: str, line: int) -> str:
        return next((label(h) for h in editor.hints(uri, text) if h["position"]["line"] == line), "")

    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, CONFIGURED)
        editor.command("bitlens.measure", uri, "Net")
        editor.until_measured()
        before = shown(editor, CONFIGURED, 13)
        assert "int8" in before and "~" not in before
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, CONFIGURED)
        assert polled(lambda: shown(editor, CONFIGURED, 13) == before)
    changed = CONFIGURED.replace("64", "640")
    path.write_text(changed)
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, changed)
        assert polled(lambda: "82" in shown(editor, changed, 13))
        assert "int8" not in shown(editor, changed, 13)


def test_a_class_is_measured_with_its_default_configuration(tmp_path: Path) -> None:
    """One that needs more says what to write, in words of an editor."""
    path = tmp_path / "net.py"
    path.write_text(CONFIGURED)
    uri = path.as_uri()
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, CONFIGURED)
        editor.command("bitlens.measure", uri, "Net")
        editor.until_measured()
        hints = {hint["position"]["line"]: label(hint) for hint in editor.hints(uri, CONFIGURED)}
        assert hints[13].startswith("fp32 8.3 KB · int8 ")
        editor.command("bitlens.measure", uri, "Other")
        told = editor.until(lambda m: m["method"] == "window/showMessage")
        assert "Other needs width" in told["params"]["message"]
        assert "`model = Other(width=…)`" in told["params"]["message"]


def test_rounded_weights_are_measured_as_they_were(tmp_path: Path) -> None:
    """torchao rounds weights in place: their error is found on the program without the call."""
    pytest.importorskip("torchao")
    path = tmp_path / "net.py"
    path.write_text(TORCHAO)
    (tmp_path / "pyproject.toml").write_text("[tool.bitlens.diagnostics]\nint8-error = 0.001\n")
    uri = path.as_uri()
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, TORCHAO)
        editor.command("bitlens.measure", uri)
        editor.until_measured()
        found = editor.request("textDocument/diagnostic", diagnostic(uri))["items"]
        assert [item["code"] for item in found] == ["BL501"]
        assert "torchao.int8_weight_only changes its weights by" in found[0]["message"]


@pytest.mark.parametrize("trusted", [True, False])
def test_the_workspace_s_own_environment_is_used_where_it_is_trusted(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    inner = tmp_path / "src" / "inner"

    async def scenario(client: InProcess) -> None:
        from dataclasses import replace

        client.server.client = replace(client.server.client, folders=(tmp_path.as_uri(),))
        found = client.server.python_of(inner / "net.py")
        assert found == (str(python) if trusted else None)

    played(scenario, options={"trusted": trusted})
    assert beside(inner, inner) is None
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert beside(tmp_path, tmp_path) is None


def test_problems_name_settings_instead_of_options() -> None:
    """Every option that a message of the analyzer names has a word for editors."""
    texts = "".join(
        path.read_text() for path in Path(bitlens.__file__).parent.rglob("*.py") if "/cli/" not in str(path)
    )
    messages = re.findall(r'"([^"\n]*(?:[ (])--(?!pure|format)[a-z][^"\n]*)"', texts)
    assert len(messages) > 5
    for message in messages:
        of_the_command_line = ("reads Python files", "neither a name", "bitlens ")
        if not any(words in message for words in of_the_command_line):
            assert "--" not in in_editor(Problem("x", message)).message, message

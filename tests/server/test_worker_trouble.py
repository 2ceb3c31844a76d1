"""A worker that hangs, dies or floods costs one measurement and a message; the server goes on answering."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from server.clients import Editor, Message, label, polled
from server.programs import NET

PART = """\
import os, sys, time
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        {trouble}
"""
PROGRAM = "from part import Net\n\nmodel = Net()\n"
"""What is imported runs as it is; of the program itself, calls like these are left out."""
TROUBLES = {
    "hang": ("while True: pass", "took more than 12 s"),
    "die": ("os._exit(7)", "ended"),
    "raise": ("raise RuntimeError('no such thing')", "no such thing"),
    "exit": ("sys.exit(3)", ""),
    "flood": ("sys.stdout.write('x' * 50_000_000); os.abort()", ""),
}


@pytest.mark.parametrize("kind", TROUBLES)
def test_one_measurement_is_lost_and_nothing_else(kind: str, tmp_path: Path) -> None:
    trouble, message = TROUBLES[kind]
    bad, good = tmp_path / "bad.py", tmp_path / "good.py"
    bad.write_text(PROGRAM)
    (tmp_path / "part.py").write_text(PART.format(trouble=trouble))
    good.write_text(NET)
    settings = {"measure": {"timeLimit": 12}} if kind == "hang" else None
    with Editor("vscode", tmp_path, {"trusted": True}, settings) as editor:
        editor.open(bad.as_uri(), bad.read_text())
        editor.open(good.as_uri(), NET)
        editor.until(asked_settings)
        editor.command("bitlens.measure", bad.as_uri())
        editor.hints(bad.as_uri(), bad.read_text())  # answered while the worker is busy
        told = editor.until(lambda m: m["method"] == "window/showMessage")
        assert message in told["params"]["message"]
        editor.configuration = None
        editor.received.clear()
        editor.notify("workspace/didChangeConfiguration", {"settings": None})
        editor.until(asked_settings)
        editor.command("bitlens.measure", good.as_uri())
        polled(lambda: sum("int8" in label(hint) for hint in editor.hints(good.as_uri(), NET)) == 4)


def asked_settings(message: Message) -> bool:
    return message["method"] == "workspace/configuration"


def ended(message: Message) -> bool:
    return message["method"] == "$/progress" and message["params"]["value"]["kind"] == "end"


def test_cancelling_ends_the_worker_at_once(tmp_path: Path) -> None:
    """By the command and by the client's own progress bar."""
    path = tmp_path / "slow.py"
    path.write_text(PROGRAM)
    (tmp_path / "part.py").write_text(PART.format(trouble="time.sleep(300)"))
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(path.as_uri(), path.read_text())
        for way in ("command", "bar"):
            editor.received.clear()
            editor.command("bitlens.measure", path.as_uri())
            begun = editor.until(lambda m: m["method"] == "$/progress")
            started = time.monotonic()
            if way == "command":
                assert editor.command("bitlens.cancel", path.as_uri()) == {"cancelled": 1}
            else:
                editor.notify("window/workDoneProgress/cancel", {"token": begun["params"]["token"]})
            assert editor.until(ended)["params"]["value"]["message"] == "cancelled"
            assert time.monotonic() - started < 30

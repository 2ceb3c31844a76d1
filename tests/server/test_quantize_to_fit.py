"""`bitlens.quantizeToFit` as editors use it: looked at first, then made, or from the menu of a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from server.clients import Editor, Message, polled

PROGRAM = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(128, 128)
        self.second = nn.Linear(128, 128)


model = Net()  # 模型 😋
"""
BUDGET = "100KB"


def proposed(message: Message) -> bool:
    return message["method"] == "workspace/applyEdit"


def new_texts(edit: Message) -> list[str]:
    edits = [one for change in edit.get("documentChanges", ()) for one in change["edits"]]
    return [one["newText"] for one in (*edits, *(e for es in edit.get("changes", {}).values() for e in es))]


@pytest.mark.parametrize("name", ["vscode", "neovim"])
def test_a_plan_is_looked_at_and_then_carried_out(name: str, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(PROGRAM, "utf-8")
    uri = file.as_uri()
    configuration = {"diagnostics": {"budget": BUDGET}}
    with Editor(name, tmp_path, {"trusted": True}, configuration) as editor:
        editor.open(uri, PROGRAM)
        unmeasured: Any = editor.command("bitlens.quantizeToFit", uri, "model", BUDGET, True)
        assert (unmeasured["ok"], "measure it first" in unmeasured["message"]) == (False, True)
        editor.command("bitlens.measure", uri)
        editor.until_measured()
        looked: Any = editor.command("bitlens.quantizeToFit", uri, "model", None, True)
        assert (looked["ok"], looked["budget"]) == (True, 100_000)
        assert looked["bytes"] <= 100_000
        wrong: Any = editor.command("bitlens.quantizeToFit", uri, "model", "much", True)
        assert (wrong["ok"], "8GB" in wrong["message"]) == (False, True)
        tiny: Any = editor.command("bitlens.quantizeToFit", uri, "model", "1KB", True)
        assert (tiny["ok"], "smallest" in tiny["message"]) == (False, True)
        assert not [m for m in editor.received if proposed(m)]
        place = {"start": {"line": 10, "character": 0}, "end": {"line": 10, "character": 0}}
        asked = {"textDocument": {"uri": uri}, "range": place, "context": {"diagnostics": []}}
        offers = polled(lambda: editor.request("textDocument/codeAction", asked))
        command = next(one["command"] for one in offers if "to fit 100 KB" in one["title"])
        editor.command(command["command"], *command["arguments"])
        edit = editor.until(proposed)["params"]["edit"]
        assert any(
            "quantize(model, weights=qint" in text and "freeze(model)" in text for text in new_texts(edit)
        )

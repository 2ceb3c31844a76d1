"""Hints and lenses while the next answer is being made, and edits that leave the hints where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from bitlens_server.handlers import hints, lens
from server.clients import InProcess, label
from server.programs import NET, SAVED
from server.test_requests import diagnostic, played


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is not known yet is waited for."""
    for handler in (hints, lens):
        monkeypatch.setattr(handler, "PATIENCE", 0)


def shifted(uri: str) -> dict[str, object]:
    """Two lines typed at the top of a file."""
    place = {"line": 0, "character": 0}
    change = {"range": {"start": place, "end": place}, "text": "# one\n# two\n"}
    return {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change]}


@pytest.mark.usefixtures("hasty")
def test_old_hints_stand_on_the_lines_of_now(tmp_path: Path) -> None:
    """The same labels two lines further down, with their own tooltips; and a refresh comes."""
    uri = (tmp_path / "a.py").as_uri()

    async def scenario(client: InProcess) -> None:
        client.open(uri, NET)
        await client.settled()
        await client.request("textDocument/diagnostic", diagnostic(uri))
        before = await client.hints(uri, NET)
        lenses = await client.request("textDocument/codeLens", diagnostic(uri))
        refreshes = sum(m.get("method") == "workspace/codeLens/refresh" for m in client.received)
        client.notify("textDocument/didChange", shifted(uri))
        after = await client.hints(uri, NET)
        assert [(h["position"]["line"] + 2, label(h)) for h in before] == [
            (h["position"]["line"], label(h)) for h in after
        ]
        moved = await client.request("textDocument/codeLens", diagnostic(uri))
        lines = [[one["range"]["start"]["line"] for one in found] for found in (lenses, moved)]
        assert lines[1] == [line + 2 for line in lines[0]]
        resolved = await client.request("inlayHint/resolve", after[0])
        assert "`fc`" in resolved["tooltip"]["value"]
        await client.settled()
        await client.request("textDocument/diagnostic", diagnostic(uri))
        assert refreshes < sum(m.get("method") == "workspace/codeLens/refresh" for m in client.received)

    played(scenario)


def test_lines_are_inserted_at_the_start_of_the_next_one(tmp_path: Path) -> None:
    """At the end of the model's line, an editor would carry its hint down to the last new line."""
    uri = (tmp_path / "a.py").as_uri()
    text = NET + "print(model)\n"

    async def scenario(client: InProcess) -> None:
        client.open(uri, text)
        line = text.split("\n").index("model = Net()")
        where = {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 0}}
        params = {**diagnostic(uri), "range": where, "context": {"diagnostics": []}}
        actions = await client.request("textDocument/codeAction", params)
        int8 = next(action for action in actions if "int8" in action["title"])
        edit = (await client.request("codeAction/resolve", int8))["edit"]
        starts = [one["range"]["start"] for one in edit["documentChanges"][0]["edits"]]
        assert {"line": line + 1, "character": 0} in starts

    played(scenario)


def test_what_a_fix_does_is_not_offered_twice(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()

    async def scenario(client: InProcess) -> None:
        client.open(uri, SAVED)
        found = (await client.request("textDocument/diagnostic", diagnostic(uri)))["items"]
        params = {**diagnostic(uri), "range": found[0]["range"], "context": {"diagnostics": found}}
        actions = await client.request("textDocument/codeAction", params)
        assert ["reeze" in action["title"] for action in actions].count(True) == 1

    played(scenario)

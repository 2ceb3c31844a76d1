"""Requests that are overtaken, cancelled, or about nothing; notebooks; line ends and byte order marks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from bitlens_server.documents import TextDocument
from bitlens_server.snapshot import of_file
from server.clients import InProcess, Message, Refused, full_range, label
from server.programs import NET, SAVED

CONTENT_MODIFIED, CANCELLED = -32801, -32800
Scenario = Callable[[InProcess], Awaitable[None]]


def played(scenario: Scenario, name: str = "vscode", **options: Any) -> None:
    async def play() -> None:
        async with InProcess(name, **options) as client:
            await scenario(client)

    asyncio.run(play())


def diagnostic(uri: str) -> Message:
    return {"textDocument": {"uri": uri}}


def all_of(uri: str, text: str, version: int) -> Message:
    return {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}]}


def test_a_request_that_is_typed_over_ends_with_content_modified(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()

    async def scenario(client: InProcess) -> None:
        client.open(uri, NET)
        _, answer = client.start("textDocument/diagnostic", diagnostic(uri))
        await client.taken()
        client.notify("textDocument/didChange", all_of(uri, NET + "\n", 2))
        message = await answer
        assert message["error"]["code"] == CONTENT_MODIFIED

    played(scenario)


def test_a_cancelled_request_ends_as_cancelled(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()

    async def scenario(client: InProcess) -> None:
        client.open(uri, NET)
        number, answer = client.start("textDocument/diagnostic", diagnostic(uri))
        await client.taken()
        client.notify("$/cancelRequest", {"id": number})
        assert (await answer)["error"]["code"] == CANCELLED
        assert await client.request("textDocument/diagnostic", diagnostic(uri))

    played(scenario)


@pytest.mark.parametrize("method", ["textDocument/inlayHint", "textDocument/hover", "textDocument/codeLens"])
def test_a_document_that_is_not_open_has_no_answer(method: str) -> None:
    params = {
        "textDocument": {"uri": "file:///nowhere.py"},
        "range": full_range(""),
        "position": {"line": 0, "character": 0},
    }

    async def scenario(client: InProcess) -> None:
        assert await client.request(method, params) is None

    played(scenario)


def test_an_unknown_command_is_refused() -> None:
    async def scenario(client: InProcess) -> None:
        with pytest.raises(Refused):
            await client.request("workspace/executeCommand", {"command": "bitlens.unknown"})

    played(scenario)


def notebook(folder: Path, cells: list[str]) -> tuple[str, Message]:
    """A notebook as VS Code opens it: cells have URIs that are no files."""
    uri = (folder / "book.ipynb").as_uri()
    uris = [uri.replace("file:", "vscode-notebook-cell:") + f"#c{number}" for number in range(len(cells))]
    texts = [
        {"uri": cell, "languageId": "python", "version": 1, "text": text}
        for cell, text in zip(uris, cells, strict=True)
    ]
    document = {"uri": uri, "notebookType": "jupyter-notebook", "version": 1}
    document["cells"] = [{"kind": 2, "document": cell} for cell in uris]
    return uri, {"notebookDocument": document, "cellTextDocuments": texts}


CELLS = [
    "%pip install torch\nimport torch\nfrom torch import nn",
    "from optimum.quanto import qint8, quantize\n中 = 1",
    "model = nn.Sequential(nn.Linear(4, 4))\n中 = '😀'; quantize(model, weights=qint8)",
    "torch.save(model.state_dict(), 'x.pt')",
]


def test_a_notebook_is_one_program_in_order(tmp_path: Path) -> None:
    """The finding stands in the cell that quantizes; its fix edits that cell and the one that imports."""
    _, opened = notebook(tmp_path, CELLS)
    cells = [cell["uri"] for cell in opened["cellTextDocuments"]]

    async def scenario(client: InProcess) -> None:
        client.notify("notebookDocument/didOpen", opened)
        found = [
            (await client.request("textDocument/diagnostic", diagnostic(cell)))["items"] for cell in cells
        ]
        assert [len(items) for items in found] == [0, 0, 1, 0]
        where = found[2][0]["range"]
        assert where["start"] == {"line": 1, "character": 10}
        context = {"diagnostics": found[2]}
        params = {**diagnostic(cells[2]), "range": where, "context": context}
        actions = await client.request("textDocument/codeAction", params)
        edit = (await client.request("codeAction/resolve", actions[0]))["edit"]
        changed = {change["textDocument"]["uri"]: change["edits"] for change in edit["documentChanges"]}
        assert set(changed) == {cells[1], cells[2]}
        assert "freeze" in changed[cells[1]][0]["newText"]
        assert changed[cells[2]][0]["newText"] == "\nfreeze(model)"

    played(scenario)


def test_each_of_two_actions_with_one_title_makes_its_own_edit(tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()
    text = 'import torch\nstates = [torch.load("a.pt"), torch.load("b.pt")]\n'

    async def scenario(client: InProcess) -> None:
        client.open(uri, text)
        params = {**diagnostic(uri), "range": full_range(text), "context": {"diagnostics": []}}
        actions = await client.request("textDocument/codeAction", params)
        edits = [(await client.request("codeAction/resolve", action))["edit"] for action in actions]
        columns = [
            change["edits"][0]["range"]["start"]["character"]
            for edit in edits
            for change in edit["documentChanges"]
        ]
        line = text.splitlines()[1]
        assert columns == [line.index(name) + len(name) for name in ('"a.pt"', '"b.pt"')]

    played(scenario)


IMPORTS = "import torch\nfrom torch import nn"
CREATES = "model = nn.Sequential(nn.Linear(4, 4))"


@pytest.mark.parametrize(
    ("cells", "home", "line"),
    [
        ([IMPORTS, "中 = 1", CREATES], 0, 0),
        (["%pip install torch", IMPORTS, "import math\nprint(math.pi)", CREATES], 1, 0),
        (["try:\n    from torch import nn\nexcept ImportError:\n    raise", CREATES], 1, 0),
    ],
)
def test_an_import_joins_the_first_imports_or_heads_the_cell(
    cells: list[str], home: int, line: int, tmp_path: Path
) -> None:
    _, opened = notebook(tmp_path, cells)
    uris = [cell["uri"] for cell in opened["cellTextDocuments"]]

    async def scenario(client: InProcess) -> None:
        client.notify("notebookDocument/didOpen", opened)
        where = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
        params = {**diagnostic(uris[-1]), "range": where, "context": {"diagnostics": []}}
        actions = await client.request("textDocument/codeAction", params)
        action = next(one for one in actions if "int8" in one["title"])
        edit = (await client.request("codeAction/resolve", action))["edit"]
        changed = {change["textDocument"]["uri"]: change["edits"] for change in edit["documentChanges"]}
        found = [(uri, one) for uri, edits in changed.items() for one in edits if "import" in one["newText"]]
        ((uri, one),) = found
        assert uri == uris[home] and "optimum.quanto" in one["newText"]
        assert one["range"]["start"]["line"] == line

    played(scenario)


def test_cells_come_go_and_move(tmp_path: Path) -> None:
    uri, opened = notebook(tmp_path, CELLS)
    cells = [cell["uri"] for cell in opened["cellTextDocuments"]]

    def changed(version: int, **cells_changed: Any) -> Message:
        return {"notebookDocument": {"uri": uri, "version": version}, "change": {"cells": cells_changed}}

    async def scenario(client: InProcess) -> None:
        client.notify("notebookDocument/didOpen", opened)
        last = {"array": {"start": 3, "deleteCount": 1}, "didClose": [{"uri": cells[3]}]}
        client.notify("notebookDocument/didChange", changed(2, structure=last))
        assert (await client.request("textDocument/diagnostic", diagnostic(cells[2])))["items"] == []
        new = cells[3] + "new"
        text = {"uri": new, "languageId": "python", "version": 1, "text": ""}
        array = {"start": 3, "deleteCount": 0, "cells": [{"kind": 2, "document": new}]}
        client.notify("notebookDocument/didChange", changed(3, structure={"array": array, "didOpen": [text]}))
        typed = {"document": {"uri": new, "version": 2}, "changes": [{"text": CELLS[3]}]}
        client.notify("notebookDocument/didChange", changed(4, textContent=[typed]))
        assert len((await client.request("textDocument/diagnostic", diagnostic(cells[2])))["items"]) == 1
        client.notify(
            "notebookDocument/didClose",
            {"notebookDocument": {"uri": uri}, "cellTextDocuments": [{"uri": cell} for cell in cells]},
        )
        assert (await client.request("textDocument/diagnostic", diagnostic(cells[2])))["items"] == []

    played(scenario)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_are_the_same_program(end: str, mark: str, tmp_path: Path) -> None:
    uri = (tmp_path / "a.py").as_uri()
    text = mark + SAVED.replace("\n", end)
    assert of_file(TextDocument(uri, text, 1), tmp_path / "a.py", 1).text == SAVED

    async def scenario(client: InProcess) -> None:
        client.open(uri, text)
        (found,) = (await client.request("textDocument/diagnostic", diagnostic(uri)))["items"]
        assert found["range"]["start"] == {"line": 6, "character": 0}

    played(scenario)


def test_ten_thousand_lines(tmp_path: Path) -> None:
    uri = (tmp_path / "long.py").as_uri()
    text = "\n".join([SAVED, *(f"x{number} = [{number}]" for number in range(10_000))])

    async def scenario(client: InProcess) -> None:
        client.open(uri, text)
        assert len((await client.request("textDocument/diagnostic", diagnostic(uri)))["items"]) == 1

    played(scenario)


def test_the_root_of_static_numbers_can_be_chosen(tmp_path: Path) -> None:
    """Two models build the same part with different sizes: a range, until one is chosen."""
    uri = (tmp_path / "a.py").as_uri()
    text = NET.partition("\n\n\nmodel")[0].replace("n=3", "width=32").replace("64, 32", "width, 32")
    text += "\n\n\none = Net(64)\ntwo = Net(640)\n"

    async def scenario(client: InProcess) -> None:
        client.open(uri, text.replace("range(n)", "range(3)"))
        await client.settled()

        async def first() -> str:
            await client.request("textDocument/diagnostic", diagnostic(uri))
            return label((await client.hints(uri, text))[0])

        assert await first() == "static 2.08K–20.5K 8.3–82 KB"
        command = {"command": "bitlens.chooseRoot", "arguments": [uri, "", "two"]}
        assert await client.request("workspace/executeCommand", command) == {"roots": ["one", "two"]}
        assert await first() == "static 20.5K 82 KB"
        lenses = await client.request("textDocument/codeLens", diagnostic(uri))
        assert "numbers from the source: two · choose" in [lens["command"]["title"] for lens in lenses]

    played(scenario)


def test_toggled_hints_are_off_and_on_again(tmp_path: Path) -> None:
    async def scenario(client: InProcess) -> None:
        command = {"command": "bitlens.toggleHints"}
        assert (await client.request("workspace/executeCommand", command)) == {"preset": "off"}
        assert (await client.request("workspace/executeCommand", command)) == {"preset": ""}

    played(scenario)


def test_settings_are_live(tmp_path: Path) -> None:
    """From the editor and from the project's file; a wrong one is told and left out."""
    uri = (tmp_path / "a.py").as_uri()
    (tmp_path / "pyproject.toml").write_text("[tool.bitlens.diagnostics.severity]\nBL101 = 'error'\n")

    async def severity(client: InProcess) -> list[int]:
        await asyncio.sleep(0.05)
        found = await client.request("textDocument/diagnostic", diagnostic(uri))
        return [item["severity"] for item in found["items"]]

    async def scenario(client: InProcess) -> None:
        client.open(uri, SAVED)
        assert await severity(client) == [1]
        client.configuration = {"diagnostics": {"severity": {"BL101": "off"}}}
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        await asyncio.sleep(0.05)
        assert await severity(client) == []
        client.configuration = {"diagnostics": {"enabled": "yes"}}
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        await asyncio.sleep(0.05)
        assert await severity(client) == [1]
        told = [m["params"]["message"] for m in client.received if m.get("method") == "window/showMessage"]
        assert told == ["bitlens: editor: diagnostics.enabled: 'yes' is not a bool"]

    played(scenario)


def test_a_server_that_shuts_down_studies_nothing_more(tmp_path: Path) -> None:
    """Some clients end the server right after the last letter; the pause after it has not passed yet."""
    uri = (tmp_path / "a.py").as_uri()

    async def scenario(client: InProcess) -> None:
        client.open(uri, NET)
        await client.settled()
        client.notify("textDocument/didChange", all_of(uri, NET + "\n", 2))
        await client.taken()
        assert client.server.studies.busy
        await client.request("shutdown", None)
        await client.settled()

    played(scenario)

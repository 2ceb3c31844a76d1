"""Without trust nothing of the user's code runs, whatever the client sends: no marker file appears."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from bitlens_server.__main__ import COMMANDS, NOTIFICATIONS, REQUESTS
from server.clients import InProcess, Message, full_range
from server.programs import write_marking

LINE = 13
"""Of `self.net = Net()`, from 0."""


def parameters(method: str, uri: str, text: str, folder: Path) -> list[Message]:
    """What a client may send as `method` about an open program; several where there are several kinds."""
    document = {"textDocument": {"uri": uri, "version": 2}}
    place = {"line": LINE, "character": 20}
    cell = {"kind": 2, "document": f"{uri}#cell"}
    notebook = {"uri": (folder / "book.ipynb").as_uri(), "version": 1}
    texts = [{"uri": cell["document"], "languageId": "python", "version": 1, "text": text}]
    restless = {"bitlens": {"measure": {"when": "onOpen"}, "trusted": True}}
    table: dict[str, list[Message]] = {
        "textDocument/inlayHint": [{**document, "range": full_range(text)}],
        "inlayHint/resolve": [{"position": place, "label": "x", "data": [uri, LINE + 1, ["memory"]]}],
        "textDocument/hover": [{**document, "position": {**place, "line": line}} for line in range(20)],
        "textDocument/codeLens": [document],
        "textDocument/codeAction": [{**document, "range": full_range(text), "context": {"diagnostics": []}}],
        "codeAction/resolve": [{"title": "x", "data": {"uri": uri, "fixAll": True}}],
        "textDocument/diagnostic": [document],
        "bitlens/models": [{"uri": uri}],
        "initialized": [{}],
        "workspace/didChangeConfiguration": [{"settings": restless}],
        "workspace/didChangeWatchedFiles": [{"changes": [{"uri": uri, "type": 2}]}],
        "window/workDoneProgress/cancel": [{"token": "x"}],
        "textDocument/didOpen": [{"textDocument": {**texts[0], "uri": uri + "x"}}],
        "textDocument/didChange": [{**document, "contentChanges": [{"text": text + "\n"}]}],
        "textDocument/didSave": [{**document, "text": text}],
        "textDocument/didClose": [document],
        "notebookDocument/didOpen": [
            {
                "notebookDocument": {**notebook, "notebookType": "jupyter-notebook", "cells": [cell]},
                "cellTextDocuments": texts,
            }
        ],
        "notebookDocument/didChange": [{"notebookDocument": notebook, "change": {}}],
        "notebookDocument/didSave": [{"notebookDocument": notebook}],
        "notebookDocument/didClose": [{"notebookDocument": notebook, "cellTextDocuments": []}],
        "bitlens/trust": [{"trusted": False}],
    }
    for command in COMMANDS:
        table[command] = [{"command": command, "arguments": [uri]}, {"command": command}]
    return table[method]


@pytest.mark.parametrize("method", [*REQUESTS, *NOTIFICATIONS, *COMMANDS])
def test_nothing_runs(method: str, tmp_path: Path) -> None:
    """Even where the project's own settings ask for measuring as soon as a file opens."""
    marker = tmp_path / "ran"
    path, text = write_marking(tmp_path, marker)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.bitlens]\ntrusted = true\nmeasure = { when = "onOpen" }\n'
    )

    async def scenario() -> None:
        async with InProcess("vscode", configuration={"measure": {"when": "onOpen"}}) as client:
            client.open(path.as_uri(), text)
            for params in parameters(method, path.as_uri(), text, tmp_path):
                if method in COMMANDS:
                    await client.request("workspace/executeCommand", params)
                elif method in REQUESTS:
                    await client.request(method, params)
                else:
                    client.notify(method, params)
            await asyncio.sleep(0.01)
            await client.settled()
            assert client.server.measurements.all() == ()

    asyncio.run(scenario())
    assert not marker.exists()


def test_the_same_program_leaves_its_marker_once_trusted(tmp_path: Path) -> None:
    """The marker works: a trusted server that is asked to measure does run the program."""
    marker = tmp_path / "ran"
    path, text = write_marking(tmp_path, marker)

    async def scenario() -> None:
        async with InProcess("vscode", {"trusted": True}) as client:
            client.open(path.as_uri(), text)
            await client.request(
                "workspace/executeCommand", {"command": "bitlens.measure", "arguments": [path.as_uri()]}
            )
            while client.server.measurements.all():
                await asyncio.sleep(0.02)

    asyncio.run(scenario())
    assert marker.exists()


def test_measuring_untrusted_says_why_not(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with InProcess() as client:
            client.open((tmp_path / "a.py").as_uri(), "")
            asked = {"command": "bitlens.measure", "arguments": [(tmp_path / "a.py").as_uri()]}
            answer = await client.request("workspace/executeCommand", asked)
            assert answer["started"] is False
            return json.dumps(answer)

    assert "not trusted" in asyncio.run(scenario())

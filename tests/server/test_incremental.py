"""Whatever is typed into real files, the state is that of a server that just opened the same text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server.clients import InProcess, Message, full_range
from server.programs import NET, SAVED

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
TOKENS = st.sampled_from(["(", ")", "'", '"', '"""', ":", "#", "\\", "@", "f'{", "lambda", "中😀", "\x00"])
BLANKS = st.sampled_from(["", "\n", "\n\n", "    ", "\r\n", "\t", "\x0c"])
CODE = st.sampled_from(["def f(", "import torch\n", "self.x = nn.Linear(3, 4)\n", "class A(nn.Module):\n"])
PIECES = TOKENS | BLANKS | CODE
PLACES = st.tuples(st.integers(0, 60), st.integers(0, 40))
EDITS = st.lists(st.tuples(PLACES, PLACES, PIECES), min_size=1, max_size=6)
slow = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def change(version: int, edit: tuple[tuple[int, int], tuple[int, int], str], uri: str) -> Message:
    start, end, text = edit
    if start > end:
        start, end = end, start
    places = [{"line": line, "character": column} for line, column in (start, end)]
    content = {"range": {"start": places[0], "end": places[1]}, "text": text}
    return {"textDocument": {"uri": uri, "version": version}, "contentChanges": [content]}


async def answers(client: InProcess, uri: str) -> dict[str, Any]:
    """Everything that a client can see of a document without asking for a measurement."""
    await client.settled()
    document = {"textDocument": {"uri": uri}}
    text = "\n" * 200
    found = {
        # First: hints and lenses come from the last analysis where the new one takes time, findings never do.
        "diagnostics": await client.request("textDocument/diagnostic", document),
        "hints": [await resolved(client, hint) for hint in await client.hints(uri, text)],
        "lenses": await client.request("textDocument/codeLens", document),
        "actions": await client.request(
            "textDocument/codeAction", {**document, "range": full_range(text), "context": {"diagnostics": []}}
        ),
    }
    for line in range(0, 60, 7):
        place = {"line": line, "character": 20}
        found[f"hover {line}"] = await client.request("textDocument/hover", {**document, "position": place})
    return found


async def resolved(client: InProcess, hint: Message) -> Message:
    """A hint with its tooltip; `data`, which leads there, counts on from one server to the next."""
    found = await client.request("inlayHint/resolve", hint)
    return {key: value for key, value in found.items() if key != "data"}


@pytest.mark.parametrize("text", [NET, SAVED, *(path.read_text() for path in EXAMPLES[:1])])
@given(edits=EDITS)
@slow
def test_edited_equals_opened(text: str, edits: list[Any], tmp_path: Path) -> None:
    uri = (tmp_path / "edited.py").as_uri()

    async def scenario() -> None:
        async with InProcess("vscode") as client:
            client.open(uri, text)
            for version, edit in enumerate(edits, 2):
                client.notify("textDocument/didChange", change(version, edit, uri))
                asked = client.start(
                    "textDocument/inlayHint", {"textDocument": {"uri": uri}, "range": full_range(text)}
                )
                asked[1].add_done_callback(lambda done: done.exception())
            await asyncio.sleep(0)
            edited = await answers(client, uri)
            now = "\n".join(client.server.session.snapshot(uri).raw)
        async with InProcess("vscode") as other:
            other.open(uri, now)
            assert edited == await answers(other, uri), json.dumps(now)

    asyncio.run(scenario())


@pytest.mark.parametrize("text", [NET, SAVED])
def test_every_prefix_is_answered(text: str, tmp_path: Path) -> None:
    """A file as it is while somebody types it: every prefix of the first lines, every tenth of the rest."""
    uri = (tmp_path / "prefix.py").as_uri()
    ends = [*range(120), *range(120, len(text), 10)]

    async def scenario() -> None:
        async with InProcess("neovim") as client:
            client.open(uri, "")
            for version, end in enumerate(ends, 2):
                content = {
                    "textDocument": {"uri": uri, "version": version},
                    "contentChanges": [{"text": text[:end]}],
                }
                client.notify("textDocument/didChange", content)
                document = {"textDocument": {"uri": uri}}
                await client.request("textDocument/diagnostic", document)
                await client.request(
                    "textDocument/hover", {**document, "position": {"line": 7, "character": 22}}
                )
            await client.settled()

    asyncio.run(scenario())

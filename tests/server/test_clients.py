"""The whole server over stdio, for five kinds of client: four real ones, and one that announces nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from server.clients import NAMES, Editor, Message, label, polled
from server.programs import NET, SAVED


def document(uri: str) -> Message:
    return {"textDocument": {"uri": uri}}


def at(uri: str, line: int, character: int) -> Message:
    return {**document(uri), "position": {"line": line, "character": character}}


def write(folder: Path, name: str, text: str) -> str:
    """The URI of a new file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("name", NAMES)
def test_measuring_shows_at_the_lines(name: str, tmp_path: Path) -> None:
    """A command measures; hints, hover, lens and tree say what was found, in the client's columns."""
    uri = write(tmp_path, "net.py", NET)
    with Editor(name, tmp_path, {"trusted": True}) as editor:
        editor.open(uri, NET)
        assert editor.command("bitlens.measure", uri) == {"started": True}
        hints = polled(lambda: complete(editor.hints(uri, NET)))
        lines = {hint["position"]["line"]: hint for hint in hints}
        assert label(lines[7]).startswith("fp32 8.3 KB · int8 .")
        assert label(lines[8]).startswith("×3 fp32 13 KB")
        assert label(lines[9]).startswith("fp16 528 B")
        assert label(lines[15]).startswith("5.5K 22KB·int8 6.5KB·int4 4.3KB")
        assert lines[7]["position"]["character"] == len_in(name, NET.split("\n")[7])
        hover = editor.request("textDocument/hover", at(uri, 7, 20))
        row = "weight 32×64 fp32" if name.startswith("sublime") else "`weight` | 32×64 | fp32"
        assert row in re.sub(" +", " ", hover["contents"]["value"])
        assert hover["contents"]["kind"] == ("plaintext" if name == "bare" else "markdown")
        assert "not of the model's answers" in hover["contents"]["value"]
        polled(lambda: "Measure again" in lens_titles(editor, uri))
        tree = editor.command("bitlens.modelTree", uri, "model")["text"]
        assert "blocks" in tree
        assert shown(editor).read_text(encoding="utf-8") == tree


def shown(editor: Editor) -> Path:
    """The file that the client is asked to show, or told of where it cannot show any."""
    told = editor.until(
        lambda m: (
            m["method"] == "window/showDocument"
            or (m["method"] == "window/showMessage" and m["params"]["message"].endswith(".txt"))
        )
    )
    if told["method"] == "window/showDocument":
        return Path(unquote(urlsplit(told["params"]["uri"]).path))
    return Path(told["params"]["message"].rpartition(" is in ")[2])


def lens_titles(editor: Editor, uri: str) -> list[str]:
    return [lens["command"]["title"] for lens in editor.request("textDocument/codeLens", document(uri))]


def complete(hints: list[Message]) -> list[Message] | None:
    """All four hints with measured numbers: before, and while layers arrive, there are fewer."""
    return hints if sum("int8" in label(hint) for hint in hints) == 4 else None


def len_in(name: str, line: str) -> int:
    return len(line.encode()) if name == "neovim" else len(line.encode("utf-16-le")) // 2


@pytest.mark.parametrize("name", NAMES)
def test_findings_and_their_fixes(name: str, tmp_path: Path) -> None:
    """Pulled where the client pulls, pushed where it does not; the fix is right in the client's columns."""
    uri = write(tmp_path, "saved.py", SAVED)
    with Editor(name, tmp_path) as editor:
        editor.open(uri, SAVED)
        found = diagnostics(editor, uri)
        assert [d["code"] for d in found] == ["BL101"]
        assert found[0]["range"]["start"]["line"] == 6
        context = {"diagnostics": found}
        params = {**document(uri), "range": found[0]["range"], "context": context}
        actions = editor.request("textDocument/codeAction", params)
        if name == "bare":
            assert actions is None  # it takes commands alone, and no command of ours edits
            return
        chosen = next(action for action in actions if action["kind"] == "quickfix")
        assert "edit" not in chosen
        edits = edits_of(editor.request("codeAction/resolve", chosen)["edit"], uri)
        assert applied(SAVED, edits).count("freeze(model)\n") == 1


def diagnostics(editor: Editor, uri: str) -> list[Message]:
    if editor.pulls_diagnostics:
        return list(editor.request("textDocument/diagnostic", document(uri))["items"])
    message = editor.until(
        lambda m: m["method"] == "textDocument/publishDiagnostics" and bool(m["params"]["diagnostics"])
    )
    return list(message["params"]["diagnostics"])


def edits_of(edit: Message, uri: str) -> list[Message]:
    """The edits of one document, in either form of a workspace edit."""
    if "changes" in edit:
        return list(edit["changes"][uri])
    (change,) = edit["documentChanges"]
    assert change["textDocument"]["uri"] == uri
    return list(change["edits"])


def applied(text: str, edits: list[Message]) -> str:
    """The text after edits that stand on lines of ASCII."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def offset(position: Message) -> int:
        return starts[position["line"]] + position["character"]

    for edit in sorted(edits, key=lambda e: offset(e["range"]["start"]), reverse=True):
        start, end = offset(edit["range"]["start"]), offset(edit["range"]["end"])
        text = text[:start] + edit["newText"] + text[end:]
    return text


def test_progress_counts_layers_and_hints_are_refreshed_together(tmp_path: Path) -> None:
    uri = write(tmp_path, "net.py", NET)
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, NET)
        editor.command("bitlens.measure", uri)
        editor.until_measured()
        values = [m["params"]["value"] for m in editor.received if m["method"] == "$/progress"]
        assert values[0]["cancellable"]
        assert values[-2]["message"] == "model: 5/5 layers"
        refreshes = [m for m in editor.received if m["method"] == "workspace/inlayHint/refresh"]
        assert 1 <= len(refreshes) <= 10


def test_a_restarted_server_answers_from_the_disk(tmp_path: Path) -> None:
    """The second server is not trusted: it cannot measure, and need not. Other lines move the numbers."""
    uri = write(tmp_path, "net.py", NET)
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, NET)
        editor.command("bitlens.measure", uri)
        editor.until_measured()
    moved = "# a remark\n\n" + NET
    with Editor("vscode", tmp_path) as editor:
        editor.open(uri, moved)
        hints = polled(lambda: complete(editor.hints(uri, moved)))
        assert [hint["position"]["line"] for hint in hints] == [9, 10, 11, 17]
        assert label(hints[0]).startswith("fp32 8.3 KB · int8")


def test_an_edit_of_the_model_makes_its_numbers_stale_not_gone(tmp_path: Path) -> None:
    uri = write(tmp_path, "net.py", NET)
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, NET)
        editor.command("bitlens.measure", uri)
        editor.until_measured()
        editor.notify("textDocument/didChange", typed(uri, 2, 7, 31, "0"))
        edited = NET.replace("(64, 32)", "(640, 32)")

        def stale() -> bool:
            hints = [hint for hint in editor.hints(uri, edited) if "int8" in label(hint)]
            assert len(hints) == 4
            return "has changed since" in editor.request("inlayHint/resolve", hints[0])["tooltip"]["value"]

        polled(stale)


def typed(uri: str, version: int, line: int, character: int, text: str) -> Message:
    place = {"line": line, "character": character}
    change = {"range": {"start": place, "end": place}, "text": text}
    return {"textDocument": {"uri": uri, "version": version}, "contentChanges": [change]}


def test_library_source_shows_the_numbers_of_your_model(tmp_path: Path) -> None:
    """Lines of another file that construct parts of the measured model carry its numbers."""
    part = NET.partition("\n\n\nmodel")[0].replace("Net", "Part")
    library = write(tmp_path, "part.py", part)
    text = "from part import Part\n\nmodel = Part()\n"
    uri = write(tmp_path, "main.py", text)
    with Editor("vscode", tmp_path, {"trusted": True}) as editor:
        editor.open(uri, text)
        editor.open(library, part)
        editor.command("bitlens.measure", uri, "model")
        editor.until_measured()
        hints = polled(lambda: [h for h in editor.hints(library, part) if "int8" in label(h)])
        assert [hint["position"]["line"] for hint in hints] == [7, 8, 9]


def test_the_tree_of_commands_is_announced(tmp_path: Path) -> None:
    with Editor("vscode", tmp_path) as editor:
        commands = editor.capabilities["executeCommandProvider"]["commands"]
        assert "bitlens.measure" in commands
        information: dict[str, Any] = editor.command("bitlens.debugInformation")
        assert information["encoding"] == "utf-16"

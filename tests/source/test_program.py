"""Files, notebooks and folders: what can be read is read exactly, the rest says why."""

from __future__ import annotations

import ast
import json
import os
import threading
from pathlib import Path

import pytest
from bitlens.problems import BitlensError, Problem
from bitlens.source import program
from bitlens.source.notebook import CellLine, blank_magics, read_notebook
from bitlens.source.program import discover, read
from bitlens.source.slice import slices
from hypothesis import given
from hypothesis import strategies as st


def notebook(*cells: tuple[str, str], **metadata: object) -> str:
    made = [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in cells]
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": made})


def test_cells_become_one_program_with_places(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    cells = (
        ("code", "%matplotlib inline\nimport torch.nn as nn"),
        ("markdown", "# no"),
        ("code", "net = nn.Linear(2, 3)\nnet"),
    )
    path.write_text(notebook(*cells))
    program = read(path)
    assert program.text == "\nimport torch.nn as nn\nnet = nn.Linear(2, 3)\nnet\n"
    assert [program.cell(line) for line in (2, 3, 9)] == [CellLine(0, 2), CellLine(2, 1), None]
    (found,) = slices(program)
    assert found.expression_line == 3 and found.target == "net"


@pytest.mark.parametrize(
    ("cell", "blanked"),
    [
        ("!pip install \\\n  x\ny = 1", "\n\ny = 1"),
        ("%%bash\nls\ncd ..", "\n\n"),
        ("%%time\nx = 1", "\nx = 1"),
        ("if x:\n    !ls\n", "if x:\n    pass\n"),
        ("out = !ls\nnet?\n?net", "\n\n"),
        ("x = (7\n%d\n)", "x = (7\n%d\n)"),
        ("text = '''\n!no magic\n'''", "text = '''\n!no magic\n'''"),
    ],
)
def test_magics_become_blank_and_lines_stay(cell: str, blanked: str) -> None:
    assert blank_magics(cell) == blanked
    ast.parse(blanked)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"cells": 3}', '{"cells": [1]}', '{"cells": [{"cell_type": "code", "source": 7}]}'],
)
def test_a_file_that_is_no_notebook_is_refused(text: str) -> None:
    with pytest.raises(BitlensError) as error:
        read_notebook(text, "n.ipynb")
    assert error.value.problem.code == "bad-notebook"


def test_a_notebook_in_another_language_is_refused() -> None:
    with pytest.raises(BitlensError, match="julia"):
        read_notebook(notebook(language_info={"name": "julia"}), "n.ipynb")


@given(st.lists(st.text(alphabet="%!?x= \n\\'(\t", max_size=40), max_size=5))
def test_no_cell_loses_or_gains_a_line(sources: list[str]) -> None:
    text, places = read_notebook(notebook(*(("code", source) for source in sources)), "n.ipynb")
    assert text.count("\n") == max(len(places), 1)
    assert len(places) == sum(source.count("\n") + 1 for source in sources)


@pytest.mark.parametrize(
    "data",
    [
        "net = 'ä'\n".encode(),
        "\ufeffnet = 'ä'\n".encode(),
        "# coding: latin-1\nnet = 'ä'\n".encode("latin-1"),
        b"net = '\xc3\xa4'\r\n",
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "p.py"
    path.write_bytes(data)
    assert read(path).text.endswith("net = 'ä'\n") and "\r" not in read(path).text


def test_unreadable_files_say_why(tmp_path: Path) -> None:
    for name, data in {"a.py": b"\xff\xfe1", "b.py": b"x = 1\n\x00", "c.py": b"# coding: nope\n"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BitlensError) as error:
            read(tmp_path / name)
        assert error.value.problem.code == "unreadable-file" and name in error.value.problem.message
    with pytest.raises(BitlensError, match="No such file"):
        read(tmp_path / "missing.py")


def test_a_broken_statement_does_not_hide_the_model(tmp_path: Path) -> None:
    path = tmp_path / "p.py"
    path.write_text("import torch.nn as nn\ndef broken:\n    pass\nnet = nn.Linear(1, 1)\n")
    (found,) = slices(read(path))
    assert "broken" not in found.text and found.expression_line == 4


def test_folders_are_searched_for_programs_that_use_torch(tmp_path: Path) -> None:
    for name in [
        "a.py",
        "sub/b.py",
        ".hidden/c.py",
        "node_modules/d.py",
        "env2/pyvenv.cfg",
        "env2/e.py",
        "build/f.py",
    ]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("import torch\n")
    (tmp_path / "plain.py").write_text("import json\n")
    (tmp_path / "n.ipynb").write_text(notebook(("code", "from transformers import AutoModel")))
    found = [path.relative_to(tmp_path).as_posix() for path in discover(tmp_path, [])]
    assert found == ["a.py", "n.ipynb", "sub/b.py"]


def test_no_folder_is_too_large_to_be_searched(tmp_path: Path) -> None:
    for number in range(2_001):
        (tmp_path / f"{number}.py").write_text("import torch\n")
    assert discover(tmp_path, []) == sorted(tmp_path.iterdir())


def test_what_a_folder_keeps_closed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("closed.py", "long.py", "net.py"):
        (tmp_path / name).write_text("import torch\n" * (100 if name == "long.py" else 1))
    monkeypatch.setattr(program, "LARGEST_FILE", 1_000)
    opened = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "closed.py":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    problems: list[Problem] = []
    assert discover(tmp_path, problems) == [tmp_path / "net.py"]
    (problem,) = problems
    assert problem.severity == "warning"
    assert problem.message.endswith(f": {tmp_path / 'closed.py'}, {tmp_path / 'long.py'}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    looking = threading.Thread(target=discover, args=[tmp_path, []], daemon=True)
    looking.start()
    looking.join(5)
    assert not looking.is_alive()

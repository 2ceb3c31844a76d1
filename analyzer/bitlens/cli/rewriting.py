"""Files on disk, changed where their program changed: encoding, line ends, magics and cells stay."""

from __future__ import annotations

import codecs
import difflib
import io
import json
import re
import tokenize
from collections import Counter
from pathlib import Path

from bitlens.analysis import Analysis
from bitlens.writing import write_whole


def rewritten(before: Analysis, after: Analysis) -> tuple[str, str]:
    """A file's text on disk, and what it becomes where its program changes from one analysis to the other."""
    old, _ = _read(before.path)
    if before.cells is not None:
        return old, _notebook(old, before, after)
    return old, _merged(old, before.text, after.text)


def save(path: Path, text: str) -> None:
    """Write a file at once, in the encoding that it has: no reader sees half of it."""
    _, encoding = _read(path)
    write_whole(path.resolve(), text.encode(encoding), path.stat().st_mode & 0o7777)


def difference(name: str, old: str, new: str) -> str:
    """A unified diff of two texts of a file; nothing where they are the same."""
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _read(path: Path) -> tuple[str, str]:
    """The text with its own line ends, and the encoding to write it in."""
    data = path.read_bytes()
    if path.suffix == ".ipynb":
        encoding = "utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8"
    else:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    return data.decode(encoding), encoding


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text.replace("\r\n", "\n").replace("\r", "\n"))


def _merged(raw: str, old: str, new: str) -> str:
    """`raw` (which reads as `old`) with the lines that differ in `new`; new lines end as most of the others
    do.
    """
    raw_lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", raw)
    old_lines, new_lines = _lines(old), _lines(new)
    ends = Counter(re.findall(r"\r\n|\r|\n", raw))
    end = ends.most_common(1)[0][0] if ends else "\n"
    result: list[str] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old_lines, new_lines, False).get_opcodes():
        if tag == "equal":
            result += raw_lines[i1:i2]
        else:
            result += [
                line.removesuffix("\n") + (end if line.endswith("\n") else "") for line in new_lines[j1:j2]
            ]
    return "".join(result)


def _notebook(raw: str, before: Analysis, after: Analysis) -> str:
    notebook = json.loads(raw)
    cells = notebook.get("cells")
    if cells is None:  # nbformat 3 keeps cells in worksheets
        cells = [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", [])]
    old, new = _by_cell(before), _by_cell(after)
    for index, text in new.items():
        if text != old[index]:
            cell = cells[index]
            key = "source" if "source" in cell else "input"
            source = cell[key]
            merged = _merged(source if isinstance(source, str) else "".join(source), old[index], text)
            cell[key] = merged if isinstance(source, str) else merged.splitlines(keepends=True)
    indent = re.match(r"\s*\{\r?\n( +|\t+)", raw)
    step = None if indent is None else indent[1] if indent[1][0] == "\t" else len(indent[1])
    separators = (",", ": ") if step is not None else (", ", ": ")
    text = json.dumps(notebook, indent=step, ensure_ascii=False, separators=separators)
    return text + raw[len(raw.rstrip()) :]


def _by_cell(analysis: Analysis) -> dict[int, str]:
    """The program text of each code cell."""
    found: dict[int, list[str]] = {}
    for place, line in zip(analysis.cells or (), analysis.text.split("\n"), strict=False):
        found.setdefault(place.cell, []).append(line)
    return {cell: "\n".join(lines) for cell, lines in found.items()}

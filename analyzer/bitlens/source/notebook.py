"""A notebook as one program: its code cells in order, and a map from program lines back to cells."""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from typing import Any

from bitlens.problems import BitlensError, Problem

_MAGIC = re.compile(
    r"^\s*(%{1,2}\s*[A-Za-z_]|!|\?{1,2}\w)|^\s*[\w., ]+=\s*[!%][A-Za-z_]|^\s*[\w.]+\?{1,2}\s*$"
)
_PYTHON_CELL_MAGICS = re.compile(r"^%%(time|timeit|capture|prun|memit|scalene|python3?|ipytest)\b")


@dataclass(frozen=True, slots=True)
class CellLine:
    """Where a line of the program stands: the cell counted from 0 among all cells, the line in it from 1."""

    cell: int
    line: int


def read_notebook(text: str, file: str) -> tuple[str, tuple[CellLine, ...]]:
    """The program text of a notebook's JSON and, for each of its lines, the place in a cell.

    Raises BitlensError (`bad-notebook`) where the JSON is no notebook or its language is not Python.
    """
    lines: list[str] = []
    places: list[CellLine] = []
    for index, cell in enumerate(_cells(text, file)):
        if cell.get("cell_type") != "code":
            continue
        source = blank_magics(_source(cell, index, file)).split("\n")
        lines += source
        places += [CellLine(index, number) for number in range(1, len(source) + 1)]
    return "\n".join(lines) + "\n", tuple(places)


def _cells(text: str, file: str) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise _bad(
            f"This notebook is not valid JSON ({error}). Save it again from Jupyter.", file, line
        ) from error
    if not isinstance(notebook, dict):
        raise _bad("This file is JSON but no notebook: there is no object with cells in it.", file)
    cells = notebook.get("cells")
    if cells is None:  # nbformat 3 keeps cells in worksheets
        sheets = notebook.get("worksheets")
        cells = [c for s in sheets for c in s.get("cells", [])] if isinstance(sheets, list) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise _bad("This file is JSON but no notebook: it has no list of cells.", file)
    language = _language(notebook)
    if not language.startswith(("python", "ipython")):
        raise _bad(f"This notebook's language is {language}; only Python notebooks can be read.", file)
    return cells


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        entry = metadata.get(key)
        if isinstance(entry, dict) and isinstance(entry.get(name), str):
            return str(entry[name]).lower()
    return "python"


def _source(cell: dict[str, Any], index: int, file: str) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list) and all(isinstance(part, str) for part in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise _bad(f"Cell {index} of this notebook has no text as its source.", file)
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _bad(message: str, file: str, line: int | None = None) -> BitlensError:
    return BitlensError(Problem("bad-notebook", message, file, line))


def blank_magics(source: str) -> str:
    """The cell with IPython's magics, shell lines and help queries emptied; the count of lines stays."""
    if not _MAGIC.search(source) and not any(_MAGIC.match(line) for line in source.split("\n")):
        return source
    if _is_python(source):  # a line that starts with % can be the rest of a modulo
        return source
    lines = source.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%") and not _PYTHON_CELL_MAGICS.match(lines[first]):
        return "\n" * (len(lines) - 1)
    return "\n".join(_blanked(lines))


def _is_python(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def _blanked(lines: list[str]) -> list[str]:
    result: list[str] = []
    continued = False
    for line in lines:
        starts = _MAGIC.match(line) is not None
        indent = line[: len(line) - len(line.lstrip())]
        # An indented magic may be all that its block holds.
        filler = f"{indent}pass" if indent and starts and not continued else ""
        result.append(filler if starts or continued else line)
        continued = (starts or continued) and line.rstrip().endswith("\\")
    return result

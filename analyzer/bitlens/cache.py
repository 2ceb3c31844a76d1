"""Measurements kept on disk: an unchanged model is answered at once, also by the next process.

The key is what the numbers depend on and what is known before a model is built: the slice of the program
(without the empty lines that keep its line numbers), where it lies, the options, the interpreter and the
versions of its libraries. What is known only afterwards is stored beside the numbers and looked at when they
are read again: the files of the project that the slice imports, the sources whose lines construct layers, and
the checkpoint.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bitlens import __version__, report_json
from bitlens.folders import user_cache
from bitlens.measurement import Environment, Layer, Line, Model, Report
from bitlens.measuring import Options
from bitlens.problems import BitlensError
from bitlens.source.imports import names_of
from bitlens.source.local_files import locate, read_outline
from bitlens.source.slice import Slice
from bitlens.source.statements import parse
from bitlens.stamps import Stamp, is_current, stamp_of, versions
from bitlens.writing import write_whole

FORMAT = 1
BOUND = 256
"""Measurements in one folder; those used longest ago are deleted beyond it."""
_IMPORT_DEPTH = 6
_MOST_ASKED = 32
"""Models of one file that are remembered by name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One measurement as it was kept."""

    model: Model
    environment: Environment
    when: float
    """Seconds since 1970 at which it was made."""
    stamps: Mapping[str, Stamp]
    """The files that it depends on, besides the slice."""


class MeasurementCache:
    """A folder of measurements. No method raises for what the disk holds or refuses."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = (user_cache() if folder is None else folder) / f"measurements-{FORMAT}"

    def load(self, piece: Slice, options: Options, python: str) -> Kept | None:
        """What is known of a slice, its lines those of `piece`; None if nothing is, or something changed
        since.
        """
        path = self._path(key(piece, options, python))
        try:
            data = json.loads(gzip.decompress(path.read_bytes()))
            report = report_json.from_document(data["report"])
            stamps = {file: (int(size), int(changed)) for file, (size, changed) in data["stamps"].items()}
            if not is_current(stamps) or len(report.models) != 1:
                return None
            os.utime(path)
            lines = dict(zip(data["lines"], _lines(piece.text), strict=True))
            return Kept(
                _moved(report.models[0], piece, lines), report.environment, float(data["when"]), stamps
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BitlensError):
            return None

    def save(
        self, piece: Slice, options: Options, python: str, model: Model, environment: Environment
    ) -> None:
        """Keep a measurement."""
        file = os.path.abspath(piece.file)
        document = report_json.to_document(Report(__version__, environment, (model,)), Path(file, "-"))
        stamps = stamps_of(piece, model)
        data = {"when": time.time(), "lines": _lines(piece.text), "stamps": stamps, "report": document}
        with suppress(OSError):
            _write(self._path(key(piece, options, python)), gzip.compress(json.dumps(data).encode(), 3))
            self._prune()

    def remember(self, file: str, selection: str) -> None:
        """Note that a model of a file was measured because somebody named it."""
        known = self.asked(file)
        if selection not in known:
            names = [*known, selection][-_MOST_ASKED:]
            with suppress(OSError):
                _write(self._asked(file), json.dumps(names).encode())

    def asked(self, file: str) -> tuple[str, ...]:
        """The models of a file that were measured by name, oldest first."""
        try:
            names = json.loads(self._asked(file).read_bytes())
        except (OSError, ValueError):
            return ()
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()

    def _asked(self, file: str) -> Path:
        name = hashlib.sha256(os.path.abspath(file).encode(errors="replace")).hexdigest()
        return self._folder / f"{name}.asked.json"

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json.gz"

    def _prune(self) -> None:
        found = sorted(self._folder.glob("*.json.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
        asked = sorted(self._folder.glob("*.asked.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in [*found[BOUND:], *asked[BOUND:]]:
            path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def key(piece: Slice, options: Options, python: str) -> str:
    """What a measurement of a slice depends on, as far as it is known before the model is built."""
    parts = [
        __version__,
        os.path.abspath(piece.file),
        "\n".join(line.rstrip() for line in piece.text.split("\n") if line.strip()),
        piece.target,
        repr(sorted(options.schemes)),
        options.device,
        str(options.config),
        python,
        *versions(python),
    ]
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def stamps_of(piece: Slice, model: Model) -> dict[str, Stamp]:
    """The files that a measurement depends on, besides the slice, as they are now."""
    file = os.path.abspath(piece.file)
    files = sorted({*_imported(piece), *_constructing(model, file), *_checkpoint(model)})
    return {str(path): stamp for path in files if (stamp := stamp_of(path)) is not None}


def _lines(text: str) -> list[int]:
    """Numbers (from 1) of the lines that hold something."""
    return [number for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _moved(model: Model, piece: Slice, lines: Mapping[int, int]) -> Model:
    """The model with its lines in the user's file where the slice has them now."""
    file = os.path.abspath(piece.file)

    def at(place: str | None, line: int | None) -> int | None:
        return line if place != file or line is None else lines.get(line, line)

    def layer(one: Layer) -> Layer:
        return replace(one, line=at(one.file, one.line))

    def line(one: Line) -> Line:
        return replace(one, line=at(one.file, one.line) or one.line)

    return replace(
        model,
        name=piece.name,
        line=piece.expression_line,
        layers=tuple(map(layer, model.layers)),
        lines=tuple(map(line, model.lines)),
    )


def _imported(piece: Slice) -> set[Path]:
    """Files of the project that a slice imports, and those that they import."""
    found: set[Path] = set()
    text = parse(piece.text)
    waiting = [(Path(piece.file), [node for statement in text.statements for node in statement.nodes], 0)]
    while waiting:
        path, nodes, depth = waiting.pop()
        for module in _modules(nodes):
            file = locate(module, path)
            if file is not None and file not in found and depth < _IMPORT_DEPTH:
                found.add(file)
                waiting.append((file, list(read_outline(file).imports), depth + 1))
    return found


def _modules(nodes: Iterable[Any]) -> Iterator[str]:
    """Modules that may be meant by the imports of some statements: `a.b` of `from a import b` is one, and
    `a`.
    """
    names = names_of(nodes)
    for dotted in (*names.bindings.values(), *names.stars):
        yield dotted
        head = dotted.rpartition(".")[0]
        if head.strip("."):
            yield head


def _constructing(model: Model, own: str) -> set[Path]:
    """Sources with lines that made something of the model."""
    return {Path(line.file) for line in model.lines if line.file != own}


def _checkpoint(model: Model) -> set[Path]:
    """The files that hold the weights; for a folder those in it."""
    if model.weights_from is None:
        return set()
    path = Path(model.weights_from)
    try:
        return {child for child in path.iterdir() if child.is_file()} if path.is_dir() else {path}
    except OSError:
        return set()

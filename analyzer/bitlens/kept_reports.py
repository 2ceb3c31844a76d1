"""Reports about checkpoints, kept on disk: an unchanged checkpoint is answered without starting a worker.

A report counts while it depends on the same files, each with the size and time of change that it had; a
checkpoint of which some files changed is measured again, and the worker remembers the others
(`worker.remembered`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bitlens import __version__, interpreters, measuring, report_json
from bitlens.backends.hub import is_hub_id, snapshot
from bitlens.folders import user_cache
from bitlens.measurement import Report
from bitlens.measuring import Options, Progress
from bitlens.problems import BitlensError, Problem
from bitlens.stamps import Stamp, stamp_of, versions
from bitlens.writing import write_whole

BOUND = 128
"""Reports in the folder; those used longest ago are deleted beyond it."""
Stamps = Mapping[str, "Stamp | None"]
_NOWHERE = Path("/-")
"""A base that no file lies below: paths stay absolute."""


def measure(target: str, options: Options, on_event: Callable[[Progress], None] | None = None) -> Report:
    """As `measuring.measure`; a checkpoint that was measured before is answered from the cache."""
    path = Path(target).absolute()
    stamps = {str(file): stamp_of(file) for file in _files(_place(target), options)}
    if not stamps:
        return measuring.measure(target, options, on_event)
    kept = user_cache() / "reports-1" / f"{_key(path, options)}.json.gz"
    report = _load(kept, stamps)
    if report is None:
        options = replace(options, cache=str(user_cache() / "tensors-1"))
        report = measuring.measure(target, options, on_event)
        if report.models and not any(problem.severity == "error" for problem in _problems(report)):
            _save(kept, report, stamps)
    return report


def _place(target: str) -> Path:
    """The file or folder that a target means, also where it is an id in the hub cache."""
    path = Path(target).absolute()
    return path if path.exists() or not is_hub_id(target) else snapshot(target) or path


def _files(path: Path, options: Options) -> Iterator[Path]:
    """The files that a report on a checkpoint depends on; none where the target is no checkpoint."""
    config = [Path(options.config).absolute()] if options.config else []
    if path.is_dir() and measuring.is_checkpoint(path):
        yield from (child for child in path.iterdir() if child.is_file())
    elif path.is_file() and path.suffix not in (".py", ".ipynb"):
        several = path.suffix == ".json" or "-of-" in path.name or (path.parent / "config.json").is_file()
        yield from (child for child in path.parent.iterdir() if child.is_file()) if several else (path,)
    else:
        return
    yield from (child for file in config for child in ([file] if file.is_file() else file.iterdir()))


def _key(path: Path, options: Options) -> str:
    python = interpreters.choose(options.python).path
    parts = [__version__, str(path), repr(replace(options, cache=None)), python, *versions(python)]
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def _load(kept: Path, stamps: Stamps) -> Report | None:
    try:
        data = json.loads(gzip.decompress(kept.read_bytes()))
        if data["stamps"] != {file: stamp and list(stamp) for file, stamp in stamps.items()}:
            return None
        os.utime(kept)
        return report_json.from_document(data["report"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BitlensError):
        return None


def _save(kept: Path, report: Report, stamps: Stamps) -> None:
    document = report_json.to_document(report, _NOWHERE)
    data = gzip.compress(json.dumps({"stamps": stamps, "report": document}).encode(), 3)
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, data)
        found = sorted(kept.parent.glob("*.json.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[BOUND:]:
            path.unlink(missing_ok=True)


def _problems(report: Report) -> Iterator[Problem]:
    yield from report.problems
    yield from (problem for model in report.models for problem in model.problems)

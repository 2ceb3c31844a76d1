"""Findings that a project has accepted: counted by file, rule and subject, never by line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bitlens.cli.findings.checked import Located
from bitlens.cli.output import write
from bitlens.problems import BitlensError, Problem

_SCHEMA = "bitlens.baseline/1"


def without_known(found: Iterable[Located], file: str) -> list[Located]:
    """The findings that the baseline does not hold; of several of one kind, the last ones are new.

    Raises BitlensError (`bad-baseline`) for a file that is none.
    """
    left = _read(Path(file))
    new = []
    for item in found:
        key = _key(item, Path(file))
        if left[key]:
            left[key] -= 1
        else:
            new.append(item)
    return new


def save(found: Iterable[Located], file: str) -> None:
    """Write the baseline that holds these findings."""
    counts = Counter(_key(item, Path(file)) for item in found)
    files: dict[str, dict[str, int]] = {}
    for (name, kind), count in sorted(counts.items()):
        files.setdefault(name, {})[kind] = count
    write(json.dumps({"schema": _SCHEMA, "files": files}, indent=2, ensure_ascii=False) + "\n", file)


def _key(item: Located, baseline: Path) -> tuple[str, str]:
    """Paths count from the baseline's folder, so that it means the same wherever the command runs."""
    relative = Path(os.path.relpath(item.file, baseline.parent)).as_posix()
    return relative, f"{item.finding.code} {item.finding.subject}"


def _read(file: Path) -> Counter[tuple[str, str]]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] != _SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}")
        entries = {
            (name, kind): int(n) for name, kinds in document["files"].items() for kind, n in kinds.items()
        }
    except OSError as error:
        message = f"cannot read the baseline ({error.strerror}); write one with --write-baseline"
        raise BitlensError(Problem("bad-baseline", message, str(file))) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"this is no baseline ({error}); write one with --write-baseline"
        raise BitlensError(Problem("bad-baseline", message, str(file))) from error
    return Counter(entries)

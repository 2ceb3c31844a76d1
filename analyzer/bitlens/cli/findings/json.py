"""One JSON document, `bitlens.check/1`: findings with their places, rules, subjects and fixes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import bitlens
from bitlens.cli.findings.checked import Checked, Located


def render(checked: Checked) -> str:
    """The document. Lines and columns count from 1; the end column is the first that is not part of it."""
    document = {
        "schema": "bitlens.check/1",
        "bitlens": bitlens.__version__,
        "files": list(checked.files),
        "findings": [_finding(item) for item in checked.findings],
        "problems": [asdict(problem) for problem in checked.problems],
        "fixed": checked.fixed,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finding(item: Located) -> dict[str, Any]:
    finding = item.finding
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": finding.message,
        "file": item.file,
        "cell": item.cell,
        "line": item.line,
        "column": item.column,
        "end_line": item.end_line,
        "end_column": item.end_column,
        "subject": finding.subject,
        "measured": finding.measured,
        "fingerprint": item.fingerprint,
        "fix": None if finding.fix is None else {"title": finding.fix.title, "safe": finding.fix.safe},
    }

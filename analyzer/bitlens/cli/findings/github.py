"""Workflow commands that GitHub shows as annotations beside the lines of a pull request."""

from __future__ import annotations

from bitlens.cli.findings.checked import Checked, Located

_LEVELS = {"error": "error", "warning": "warning", "information": "notice", "hint": "notice"}


def render(checked: Checked) -> str:
    """One command a finding, and one for each file that could not be checked."""
    lines = [_line(item) for item in checked.findings]
    for problem in checked.problems:
        place = ",".join(
            f"{key}={_property(str(value))}"
            for key, value in (("file", problem.file), ("line", problem.line))
            if value
        )
        lines.append(f"::error {place}::{_message(problem.message)}")
    return "".join(f"{line}\n" for line in lines)


def _line(item: Located) -> str:
    values = {
        "title": f"bitlens {item.finding.code} ({item.finding.name})",
        "file": item.file,
        "line": item.line,
    }
    values["endLine"] = item.end_line
    if item.line == item.end_line:  # columns are refused where the lines differ
        values |= {"col": item.column, "endColumn": item.end_column}
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in values.items())
    return f"::{_LEVELS[item.finding.severity]} {properties}::{_message(item.message)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")

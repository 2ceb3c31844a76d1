"""SARIF 2.1.0, for code scanning: relative paths, and fingerprints that stay when lines move."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import bitlens
from bitlens.cli.findings.checked import Checked, Located
from bitlens.problems import Problem
from bitlens.rules import Rule, page, rules

_LEVELS = {"error": "error", "warning": "warning", "information": "note", "hint": "note"}


def render(checked: Checked) -> str:
    """One run of the tool `bitlens`."""
    run = {
        "tool": {
            "driver": {
                "name": "bitlens",
                "version": bitlens.__version__,
                "rules": [_rule(rule) for rule in rules()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"ROOT": {"description": {"text": "The folder in which bitlens ran."}}},
        "invocations": [
            {
                "executionSuccessful": not checked.problems,
                "toolExecutionNotifications": [_notification(problem) for problem in checked.problems],
            }
        ],
        "artifacts": [{"location": _location(file)} for file in checked.files],
        "results": [_result(item) for item in checked.findings],
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    title, _, rest = page(rule).partition("\n\n")
    level = _LEVELS[rule.severity] if rule.severity != "off" else "none"
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": title},
        "help": {"text": rest, "markdown": rest},
        "defaultConfiguration": {"level": level},
    }


def _result(item: Located) -> dict[str, Any]:
    finding = item.finding
    codes = [rule.code for rule in rules()]
    region = {
        "startLine": item.line,
        "startColumn": item.column,
        "endLine": item.end_line,
        "endColumn": item.end_column,
    }
    place = {"artifactLocation": _location(item.file), "region": region}
    subject = {"fullyQualifiedName": finding.subject}
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": item.message},
        "locations": [{"physicalLocation": place, "logicalLocations": [subject]}],
        "partialFingerprints": {"bitlens/v1": item.fingerprint},
    }


def _location(file: str) -> dict[str, Any]:
    if file.startswith(("/", "..")) or ":" in file.split("/")[0]:
        return {"uri": quote(file)}
    return {"uri": quote(file), "uriBaseId": "ROOT"}


def _notification(problem: Problem) -> dict[str, Any]:
    return {"level": "error", "message": {"text": problem.message}, "descriptor": {"id": problem.code}}

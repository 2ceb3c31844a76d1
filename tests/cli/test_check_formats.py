"""The documents that other programs read, against what they say they accept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from bitlens.cli import main
from bitlens.rules import rules

TEXT = """\
import torch
from quanto import freeze, quantize


def main(path):
    net = torch.nn.Sequential(torch.nn.Linear(8, 8))
    quantize(
        net,
        weights=torch.int8,
    )
    torch.save(net.state_dict(), path)
"""

SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}}},
                            }
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {"type": "object", "required": ["executionSuccessful"]},
                    },
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "$defs": {
        "message": {
            "type": "object",
            "required": ["text"],
            "properties": {"text": {"type": "string", "minLength": 1}},
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "shortDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {
                    "properties": {"level": {"enum": ["none", "note", "warning", "error"]}}
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "ruleIndex", "level", "locations", "partialFingerprints"],
            "properties": {
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": {"$ref": "#/$defs/message"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "partialFingerprints": {"additionalProperties": {"type": "string"}, "minProperties": 1},
                "locations": {
                    "minItems": 1,
                    "items": {
                        "required": ["physicalLocation"],
                        "properties": {
                            "physicalLocation": {
                                "required": ["artifactLocation", "region"],
                                "properties": {
                                    "artifactLocation": {
                                        "required": ["uri"],
                                        "properties": {
                                            "uri": {"type": "string", "pattern": r"^(?!/)(?![a-z]+:)[^\\ ]+$"}
                                        },
                                    },
                                    "region": {
                                        "required": ["startLine"],
                                        "additionalProperties": {"type": "integer", "minimum": 1},
                                    },
                                },
                            }
                        },
                    },
                },
            },
        },
    },
}
"""What the standard (2.1.0) requires of the parts that we write, and what code scanning needs on top."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "some net").mkdir()
    (tmp_path / "some net" / "net.py").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], name: str, *paths: str) -> str:
    main(["check", *(paths or (".",)), "--format", name])
    return capsys.readouterr().out


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(output(capsys, "json"))
    assert document["schema"] == "bitlens.check/1"
    assert [
        (f["code"], f["line"], f["column"], f["end_line"], f["end_column"]) for f in document["findings"]
    ] == [
        ("BL202", 2, 1, 2, 36),
        ("BL101", 7, 5, 10, 6),
        ("BL203", 9, 17, 9, 27),
    ]
    assert document["findings"][1]["subject"] == "main:net"
    assert document["findings"][1]["fix"] == {"title": "Freeze `net` before it is saved", "safe": False}


def test_sarif(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(output(capsys, "sarif"))
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    described = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in described] == [rule.code for rule in rules()]
    for result in run["results"]:
        assert described[result["ruleIndex"]]["id"] == result["ruleId"]
        location = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location == {"uri": "some%20net/net.py", "uriBaseId": "ROOT"}
    assert len({r["partialFingerprints"]["bitlens/v1"] for r in run["results"]}) == 3


def test_fingerprints_stay_when_lines_move(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def prints() -> list[str]:
        return [f["fingerprint"] for f in json.loads(output(capsys, "json"))["findings"]]

    before = prints()
    (folder / "some net" / "net.py").write_text('"""What it is."""\n\n' + TEXT)
    assert prints() == before


def test_sarif_tells_what_could_not_be_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.py").write_text("import torch\n(\n")
    document = json.loads(output(capsys, "sarif"))
    jsonschema.validate(document, SARIF)
    invocation = document["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "syntax" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_junit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "clean.py").write_text("import torch\n")
    (folder / "broken.py").write_text("import torch\n(\n")
    root = ElementTree.fromstring(output(capsys, "junit"))
    suites = {suite.attrib["name"]: suite for suite in root}
    assert set(suites) == {"broken.py", "clean.py", "some net/net.py"}
    for suite in suites.values():
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases) > 0
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    assert [int(root.attrib[key]) for key in ("tests", "failures", "errors")] == [5, 3, 1]


def test_junit_is_xml_whatever_the_source_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "net.py").write_text(
        "from optimum.quanto import quantize\nquantize(m, 1, include='embed\\\n\x01<&>]]>')\n"
    )
    monkeypatch.chdir(tmp_path)
    root = ElementTree.fromstring(output(capsys, "junit", "net.py"))
    assert len(root.findall(".//failure")) == 1


def test_github(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "github").splitlines()
    assert all(re.fullmatch(r"::(error|warning|notice) [^:]+::.+", line) for line in lines)
    assert lines[0].startswith(
        "::warning title=bitlens BL202 (quanto-moved),file=some"
        " net/net.py,line=2,endLine=2,col=1,endColumn=36::"
    )
    assert "col=" not in lines[1]  # a finding of several lines


def test_output_goes_to_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", ".", "--format", "sarif", "--output", "out.sarif"]) == 1
    assert capsys.readouterr().out == ""
    jsonschema.validate(json.loads((folder / "out.sarif").read_text()), SARIF)

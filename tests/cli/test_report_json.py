"""The document that other programs read: valid, complete, and read back as it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bitlens.measurement import Model, Report, SchemeResult
from bitlens.problems import BitlensError
from bitlens.report_json import FORMAT, SCHEMA_FILE, from_document, to_document


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    described = json.loads(SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(described)
    return jsonschema.Draft202012Validator(described)


def test_the_document_is_what_the_schema_says(
    report: Report, schema: jsonschema.Draft202012Validator
) -> None:
    schema.validate(to_document(report))


SOMETIMES = {
    *("instead", "interval", "cell", "histogram"),
    *("least_parameters", "least_bytes", "formula", "missing"),
}
"""Keys of notebooks, of those who ask for them, and of lines that the source does not decide."""


def test_every_key_is_described(report: Report) -> None:
    described = json.loads(SCHEMA_FILE.read_text("utf-8"))
    document = to_document(report)
    model, layer = document["models"][0], document["models"][0]["layers"][0]
    parts: dict[str, dict[str, Any]] = {
        "environment": document["environment"],
        "model": model,
        "layer": layer,
        "tensor": layer["tensors"][0],
        "scheme": layer["schemes"]["float16"],
        "line": model["lines"][0],
        "problem": document["problems"][0],
    }
    assert document.keys() == described["properties"].keys()
    for name, part in parts.items():
        assert part.keys() == described["$defs"][name]["properties"].keys() - SOMETIMES, name


def test_there_and_back_through_text(report: Report) -> None:
    assert from_document(json.loads(json.dumps(to_document(report)))) == report


def test_unknown_keys_of_a_later_version_are_ignored(report: Report) -> None:
    document = to_document(report)
    document["later"] = document["models"][0]["later"] = document["models"][0]["layers"][0]["later"] = 1
    assert from_document(document) == report


def test_what_is_not_finite_is_null(report: Report, model: Model) -> None:
    results = {"float16": SchemeResult(2, relative_error=math.inf, sqnr_db=math.nan, max_abs_error=-math.inf)}
    document = to_document(replace(report, models=(replace(model, schemes=results),)))
    written = document["models"][0]["schemes"]["float16"]
    assert (written["relative_error"], written["sqnr_db"], written["max_abs_error"]) == (None, None, None)
    json.dumps(document, allow_nan=False)


def test_files_below_the_working_directory_are_relative(
    report: Report, model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = replace(
        model, file=str(tmp_path / "sub" / "net.py"), weights_from=str(tmp_path / "w.safetensors")
    )
    outside = replace(model, file=str(tmp_path.parent / "net.py"), weights_from="org/name")
    first, second = to_document(replace(report, models=(inside, outside)))["models"]
    assert (first["file"], first["weights_from"]) == ("sub/net.py", "w.safetensors")
    assert (second["file"], second["weights_from"]) == (str(tmp_path.parent / "net.py"), "org/name")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"format": "bitlens.analysis/9"},
        {"format": FORMAT},
        {"format": FORMAT, "bitlens": "1", "environment": 3},
    ],
)
def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BitlensError, match="--format json") as raised:
        from_document(document)
    assert raised.value.problem.code == "bad-report"

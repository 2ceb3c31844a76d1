"""`bitlens` as a process: what it prints where, and its exit codes; no model is measured here."""

from __future__ import annotations

import json
import os
import platform
import stat
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest
from bitlens import cli, measuring, schemes
from bitlens.measurement import Report
from bitlens.problems import BitlensError, Problem
from bitlens.report_json import SCHEMA_FILE, from_document


def bitlens(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as a user does."""
    command = [sys.executable, "-m", "bitlens", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.fixture
def measured(report: Report, monkeypatch: pytest.MonkeyPatch) -> Report:
    """`analyze` finds the report made by hand, whatever the target."""
    monkeypatch.setattr(measuring, "measure", lambda target, options, on_event=None: report)
    return report


def test_alone_and_help_teach_by_example() -> None:
    alone, asked = bitlens(), bitlens("--help")
    assert (alone.returncode, asked.returncode) == (0, 0)
    assert alone.stdout == asked.stdout
    assert "bitlens analyze net.py --static" in alone.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ["frobnicate"],
        ["analyze"],
        ["analyze", "net.py", "--frob"],
        ["analyze", "net.py", "--time-limit", "soon"],
        ["analyze", "net.py", "--memory-limit", "8XB"],
        ["analyze", "net.py", "--top", "0"],
        ["analyze", "net.py", "--device", "tpu"],
        ["analyze", "net.py", "--stat"],
    ],
)
def test_misuse_is_said_with_exit_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(wrong)
    assert raised.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_schemes_lists_every_format_and_its_library(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schemes"]) == 0
    rows = capsys.readouterr().out.splitlines()
    for name in schemes.all_ids():
        assert any(row.split()[0].rstrip("*") == name and schemes.get(name).library in row for row in rows)


def test_doctor_says_what_a_measurement_would_run_in() -> None:
    ran = bitlens("doctor", "--python", sys.executable, "--memory-limit", "8GB")
    facts = dict(line.split("  ", 1) for line in ran.stdout.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert ran.returncode == 0
    assert facts["torch"] == version("torch")
    assert facts["python"] == platform.python_version()
    assert facts["transformers"] == version("transformers")
    assert facts["memory limit"] == "8.00 GB"


def test_doctor_says_that_torch_is_missing(tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=False)
    ran = bitlens("doctor", "--python", str(tmp_path / "bin" / "python"))
    assert ran.returncode == 2
    assert "torch" in ran.stdout
    assert "not found" in ran.stdout


def test_an_unknown_scheme_names_the_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", "net.py", "--scheme", "quanto.int8"]) == 2
    said = capsys.readouterr().err
    assert "quanto.qint8" in said
    assert "bitlens schemes" in said


def test_a_target_that_is_not_there_is_said_with_exit_2(tmp_path: Path) -> None:
    ran = bitlens("analyze", "nowhere.py", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("bitlens: nowhere.py: ")
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_json_says_the_failure_too(tmp_path: Path) -> None:
    ran = bitlens("analyze", "nowhere.py", "--format", "json", cwd=tmp_path)
    document = json.loads(ran.stdout)
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text("utf-8")))
    assert ran.returncode == 2
    assert document["models"] == []
    assert [problem["file"] for problem in document["problems"]] == ["nowhere.py"]


def test_json_is_one_document(measured: Report, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", "net.py", "--format", "json"]) == 0
    assert from_document(json.loads(capsys.readouterr().out)) == measured


def test_plain_text_has_no_escape_codes(measured: Report, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", "net.py"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "decoder.layers.0-11 ×12" in text


@pytest.mark.parametrize(("models", "code"), [(True, 1), (False, 2)])
def test_the_exit_code_says_how_much_failed(
    models: bool,
    code: int,
    report: Report,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = Problem("constructor-failed", "the constructor raised ValueError", "net.py", 7)
    failed = Report("0", report.environment, report.models if models else (), (problem,))
    monkeypatch.setattr(measuring, "measure", lambda *_: failed)
    assert cli.main(["analyze", "net.py"]) == code
    said = capsys.readouterr()
    assert "net.py:7: " in (said.out if models else said.err)


def test_output_replaces_the_file_at_once(
    measured: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    file.write_text("old", "utf-8")
    assert cli.main(["analyze", "net.py", "--format", "json", "--output", str(file)]) == 0
    assert json.loads(file.read_text("utf-8"))["format"] == "bitlens.analysis/1"
    assert list(tmp_path.iterdir()) == [file], "nothing else is left"
    assert capsys.readouterr().out == ""


def test_output_that_fails_leaves_the_old_file(
    measured: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.txt"
    file.write_text("old", "utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(os, "fdopen", full)
    assert cli.main(["analyze", "net.py", "--output", str(file)]) == 2
    assert file.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_output_has_the_mode_of_any_new_file(measured: Report, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    cli.main(["analyze", "net.py", "--output", str(tmp_path / "report")])
    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert len(modes) == 1


def test_output_into_no_folder_is_said(
    measured: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["analyze", "net.py", "--output", str(tmp_path / "no" / "report")]) == 2
    where = tmp_path / "no" / "report"
    assert capsys.readouterr().err == f"bitlens: {where}: No such file or directory\n"


def test_a_reader_that_leaves_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "bitlens", "schemes"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (KeyboardInterrupt(), "bitlens: interrupted\n"),
        (BitlensError(Problem("x", "the way out", "net.py", 3)), "bitlens: net.py:3: the way out\n"),
        (RuntimeError("surprise"), "bitlens: internal error, RuntimeError: surprise\n"),
    ],
)
def test_nothing_ends_in_a_traceback(
    raised: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> Report:
        raise raised

    monkeypatch.setattr(measuring, "measure", fails)
    assert cli.main(["analyze", "net.py"]) == 2
    assert capsys.readouterr().err.startswith(words)


def test_an_ascii_pipe_gets_what_it_can_hold() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [sys.executable, "-m", "bitlens", "--help"], env=environment, capture_output=True, check=True
    )
    assert ran.stdout.isascii()

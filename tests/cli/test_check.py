"""`bitlens check`: exit codes, selection, silencing, fixing on disk, baselines, measuring."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bitlens.cli import main

CLEAN = "import torch\nfrom torch import nn\n\nmodel = nn.Sequential(nn.Linear(8, 8))\n"
MOVED = "import torch\nfrom quanto import quantize\n"
LOADS = "import torch\n\n\ndef read(net):\n    state = torch.load('net.pt')\n    net.load_state_dict(state)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: str) -> int:
    return main(["check", *arguments])


def codes(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    check(*arguments, "--format", "json")
    return [finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]]


def test_clean_is_zero_and_findings_are_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "clean.py").write_text(CLEAN)
    (folder / "moved.py").write_text(MOVED)
    assert check("clean.py") == 0
    assert "nothing found in 1 file" in capsys.readouterr().out
    assert check(".") == 1
    out = capsys.readouterr().out
    assert "moved.py:2:1: warning: BL202" in out and "1 warning in 2 files" in out
    assert check(".", "--exit-zero") == 0


def test_no_file_is_clean(folder: Path) -> None:
    """As a pre-commit hook runs it where no file of its types changed."""
    assert check() == 0


def test_what_cannot_be_read_is_two(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.py").write_text("import torch\nmodel = (\n")
    (folder / "moved.py").write_text(MOVED)
    assert check("broken.py", "moved.py") == 2
    streams = capsys.readouterr()
    assert "broken.py:" in streams.err and "syntax error" in streams.err
    assert "BL202" in streams.out
    assert check("broken.py", "--exit-zero") == 2
    assert check("absent.py") == 2
    assert "no such file" in capsys.readouterr().err


def test_what_is_left_out_is_told_and_fails_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "deep.py").write_text(f"import torch\nnet = {'print(' * 150}torch.nn.Linear(2, 3){')' * 150}\n")
    (folder / "long.py").touch()
    os.truncate(folder / "long.py", 21_000_000)
    assert check(".") == 0
    streams = capsys.readouterr()
    assert streams.out == "nothing found in 1 file\n"
    assert "deep.py:2:1: statement is nested too deeply" in streams.err
    assert "longer than 20 MB or cannot be opened: long.py" in streams.err


def test_a_path_that_is_missing_takes_no_answer_away(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "moved.py").write_text(MOVED)
    assert check("absent.py", "moved.py", "gone.py") == 2
    streams = capsys.readouterr()
    assert "BL202" in streams.out and "1 warning in 1 file" in streams.out
    assert [line.split(": ")[1] for line in streams.err.splitlines()] == ["absent.py", "gone.py"]


def test_select_and_ignore_take_prefixes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "both.py").write_text(MOVED + LOADS)
    assert codes(capsys, "both.py") == ["BL202", "BL302"]
    assert codes(capsys, "both.py", "--select", "BL3") == ["BL302"]
    assert codes(capsys, "both.py", "--ignore", "BL202,BL4") == ["BL302"]
    assert check("both.py", "--select", "BL9") == 2
    assert "there is no rule 'BL9'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("# noqa", []),
        ("# noqa: BL202", []),
        ("#NOQA:E501,BL202", []),
        ("# noqa: BL302", ["BL202"]),
        ("# why not  # noqa: BL202", []),
        ("# noqa is a word", []),
        ("# see noqa.md", ["BL202"]),
    ],
)
def test_comments_silence(
    folder: Path, capsys: pytest.CaptureFixture[str], comment: str, found: list[str]
) -> None:
    (folder / "net.py").write_text(f"{MOVED.rstrip()}  {comment}\n")
    assert codes(capsys, "net.py") == found


def test_noqa_in_a_string_silences_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "net.py").write_text("import torch\ntorch.load('# noqa')\n")
    assert codes(capsys, "net.py") == ["BL302"]


def test_severity_of_the_project(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "net.py").write_text(MOVED + LOADS)
    (folder / "pyproject.toml").write_text(
        '[tool.bitlens.diagnostics]\nseverity = { BL202 = "off", BL302 = "error" }\n'
    )
    check("net.py", "--format", "json")
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["severity"]) == ("BL302", "error")


def test_wrong_settings_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "net.py").write_text(CLEAN)
    (folder / "pyproject.toml").write_text('[tool.bitlens.diagnostics]\nint8-error = "much"\n')
    assert check("net.py") == 2
    assert "int8-error" in capsys.readouterr().err
    (folder / "other").mkdir()
    (folder / "other" / "net.py").write_text(CLEAN)
    (folder / "other" / "pyproject.toml").write_text("[tool.bitlens\n")
    assert check("other/net.py") == 2
    assert "not valid TOML" in capsys.readouterr().err


def test_a_code_that_is_no_rule_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody learns from a green check that the rule which he made an error has another code."""
    (folder / "net.py").write_text(CLEAN)
    settings = '[tool.bitlens.diagnostics]\nseverity = { BL999 = "error", BL202 = "off" }\n'
    (folder / "pyproject.toml").write_text(settings)
    assert check("net.py") == 2
    err = capsys.readouterr().err
    assert "pyproject.toml: diagnostics.severity: there is no rule 'BL999'" in err and "'BL202'" not in err


class TestFixing:
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_line_ends_and_byte_order_mark_stay(self, folder: Path, end: str, mark: bytes) -> None:
        text = "# Größe 模型 😀\n" + MOVED
        path = folder / "net.py"
        path.write_bytes(mark + text.replace("\n", end).encode())
        assert check("net.py", "--fix") == 0
        fixed = text.replace("from quanto", "from optimum.quanto")
        assert path.read_bytes() == mark + fixed.replace("\n", end).encode()

    def test_an_encoding_stays(self, folder: Path) -> None:
        text = "# -*- coding: latin-1 -*-\n# Größe\n" + MOVED
        (folder / "net.py").write_bytes(text.encode("latin-1"))
        assert check("net.py", "--fix") == 0
        fixed = text.replace("from quanto", "from optimum.quanto")
        assert (folder / "net.py").read_bytes() == fixed.encode("latin-1")

    def test_fixing_again_changes_nothing(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "net.py").write_text(MOVED + LOADS)
        assert check("net.py", "--fix") == 0
        assert "2 fixed" in capsys.readouterr().out
        once = (folder / "net.py").read_text()
        assert "torch.load('net.pt', weights_only=True)" in once
        assert check("net.py", "--fix") == 0
        assert (folder / "net.py").read_text() == once

    def test_unsafe_fixes_are_made_only_when_asked_for(self, folder: Path) -> None:
        text = CLEAN.replace("model", "net") + "torch.save(net, 'net.pt')\n"
        (folder / "net.py").write_text(text)
        assert check("net.py", "--fix") == 1
        assert (folder / "net.py").read_text() == text
        assert check("net.py", "--fix", "--unsafe-fixes") == 0
        assert "torch.save(net.state_dict(), 'net.pt')" in (folder / "net.py").read_text()

    def test_only_selected_rules_are_fixed(self, folder: Path) -> None:
        (folder / "net.py").write_text(MOVED + LOADS)
        assert check("net.py", "--fix", "--select", "BL302") == 0
        assert "from quanto import" in (folder / "net.py").read_text()

    def test_diff_changes_nothing(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "net.py").write_text(MOVED)
        assert check("net.py", "--diff") == 1
        out = capsys.readouterr().out
        assert out.startswith("--- a/net.py\n+++ b/net.py\n")
        assert "-from quanto import quantize\n+from optimum.quanto import quantize\n" in out
        assert (folder / "net.py").read_text() == MOVED
        (folder / "net.py").write_text(CLEAN)
        assert check("net.py", "--diff") == 0
        assert capsys.readouterr().out == ""


class TestBaseline:
    def test_known_findings_are_left_out_wherever_they_move(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "net.py").write_text(LOADS)
        assert check("net.py", "--write-baseline", "known.json") == 0
        assert check("net.py", "--baseline", "known.json") == 0
        (folder / "net.py").write_text("import torch\n\n\nx = 1\n\n" + LOADS.removeprefix("import torch\n"))
        assert check("net.py", "--baseline", "known.json") == 0
        capsys.readouterr()
        (folder / "net.py").write_text(LOADS + "\n\ndef other(net):\n    net(torch.load('other.pt'))\n")
        assert codes(capsys, "net.py", "--baseline", "known.json") == ["BL302"]

    def test_it_says_how_many_it_holds(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "net.py").write_text(MOVED + LOADS)
        check("net.py", "--write-baseline", "known.json")
        assert capsys.readouterr().out == "2 findings in 1 file, written to known.json\n"
        (folder / "net.py").write_text(CLEAN)
        check("net.py", "--write-baseline", "known.json")
        assert capsys.readouterr().out == "0 findings in 1 file, written to known.json\n"

    def test_it_holds_no_line(self, folder: Path) -> None:
        (folder / "net.py").write_text(LOADS)
        check("net.py", "--write-baseline", "known.json")
        document = json.loads((folder / "known.json").read_text())
        assert document == {"schema": "bitlens.baseline/1", "files": {"net.py": {"BL302 read:state": 1}}}

    def test_paths_count_from_its_folder(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "net.py").write_text(LOADS)
        check("net.py", "--write-baseline", "known.json")
        (folder / "sub").mkdir()
        monkeypatch.chdir(folder / "sub")
        assert check("../net.py", "--baseline", "../known.json") == 0

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"schema": "else"}', '{"schema": "bitlens.baseline/1", "files": 3}']
    )
    def test_another_file_is_refused(
        self, folder: Path, capsys: pytest.CaptureFixture[str], text: str
    ) -> None:
        (folder / "net.py").write_text(LOADS)
        (folder / "known.json").write_text(text)
        assert check("net.py", "--baseline", "known.json") == 2
        assert "this is no baseline" in capsys.readouterr().err


def test_nothing_runs_without_measure(folder: Path) -> None:
    (folder / "net.py").write_text(
        MOVED + "from pathlib import Path\nPath('ran').touch()\nnet = torch.nn.Linear(4, 4)\n"
    )
    assert check("net.py") == 1
    assert check("net.py", "--diff") == 1
    assert not (folder / "ran").exists()


def test_measured_rules_speak_with_measure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "net.py").write_text(
        "import torch\n"
        "from optimum.quanto import freeze, qint4, quantize\n"
        "from torch import nn\n"
        "torch.manual_seed(0)\n"
        "model = nn.Sequential(nn.Linear(64, 64))\n"
        "quantize(model, weights=qint4)\n"
        "freeze(model)\n"
    )
    (folder / "pyproject.toml").write_text("[tool.bitlens.diagnostics]\nint4-error = 0.01\n")
    assert check("net.py") == 0
    capsys.readouterr()
    assert check("net.py", "--measure") == 1
    out = capsys.readouterr().out
    assert "net.py:5:1: warning: BL501 `0`: quanto.qint4 changes its weights by" in out


def test_a_measurement_has_the_limits_of_the_project(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "net.py").write_text(
        "import torch, time\ntime.sleep(20)\nnet = torch.nn.Linear(4, 4, bias=time.sleep(20) is None)\n"
    )
    (folder / "pyproject.toml").write_text("[tool.bitlens.measure]\ntime-limit = 0.5\n")
    assert check("net.py", "--measure") == 2
    assert "more than 0.5 s" in capsys.readouterr().err
    (folder / "pyproject.toml").write_text("[tool.bitlens.measure]\ntime-limit = 600\n")
    assert check("net.py", "--measure", "--time-limit", "0.5s") == 2
    assert "more than 0.5 s" in capsys.readouterr().err


class TestABudget:
    """`diagnostics.budget`, without running anything."""

    PROGRAM = (
        "import torch\nfrom torch import nn\n\nopen('ran', 'w')\n\n\n"
        "class Net(nn.Module):\n    def __init__(self, width=512):\n        super().__init__()\n"
        "        self.up = nn.Linear(width, 4 * width)\n\n\n"
        "model = Net()\nsmall = Net(8)\nunknown = Net(int(open('width').read()))\n"
    )

    @pytest.fixture
    def file(self, folder: Path) -> Path:
        (folder / "net.py").write_text(self.PROGRAM)
        return folder / "net.py"

    def budget(self, folder: Path, size: str) -> None:
        (folder / "pyproject.toml").write_text(f'[tool.bitlens]\ndiagnostics.budget = "{size}"\n')

    def test_a_model_beyond_it_is_found_from_source(
        self, file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.budget(folder, "4MB")
        assert check("net.py") == 1
        out = capsys.readouterr().out
        assert "net.py:13:1: warning: BL502 `model` takes 4.20 MB, more than the budget (4.00 MB)" in out
        assert "small" not in out and "1 warning in 1 file" in out
        assert not (folder / "ran").exists()

    def test_what_fits_or_is_not_asked_for_is_clean(self, file: Path, folder: Path) -> None:
        assert check("net.py") == 0
        self.budget(folder, "5MB")
        assert check("net.py") == 0
        self.budget(folder, "4MB")
        assert check("net.py", "--ignore", "BL5") == 0

    def test_what_is_wrong_is_said_once(
        self, file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "other.py").write_text(self.PROGRAM)
        (folder / "pyproject.toml").write_text('[tool.bitlens]\ndiagnostics.budget = "4MB"\nmodels = 3\n')
        assert check(".", "--python", "/nowhere") == 2
        assert capsys.readouterr().err.count("there is no Python at /nowhere") == 1
        assert check(".") == 2
        streams = capsys.readouterr()
        assert streams.err.count("models: 3 is not a table") == 1 and streams.out.count("BL502") == 2

    def test_a_class_that_builds_by_its_defaults(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "net.py").write_text(self.PROGRAM.partition("model =")[0])
        self.budget(folder, "4MB")
        assert codes(capsys, "net.py") == ["BL502"]

    def test_a_function_that_gives_no_class_of_the_file(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function = "def build(width=512):\n    return nn.Sequential(Net(width))\n"
        (folder / "net.py").write_text(self.PROGRAM.partition("model =")[0] + function)
        self.budget(folder, "4MB")
        assert check("net.py") == 1
        assert "net.py:13:1: warning: BL502 `build` takes 4.20 MB" in capsys.readouterr().out

    def test_the_last_of_many_counts(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        functions = "".join(
            f"\n\ndef net_{n}(width={8 if n < 39 else 512}):\n    return Net(width)\n" for n in range(40)
        )
        (folder / "net.py").write_text(self.PROGRAM.partition("model =")[0].rstrip() + "\n" + functions)
        self.budget(folder, "4MB")
        assert check("net.py") == 1
        assert "BL502 `net_39` takes 4.20 MB" in capsys.readouterr().out
        models = "".join(f"net_{n} = Net({8 if n < 39 else 512})\n" for n in range(40))
        (folder / "net.py").write_text(self.PROGRAM.partition("model =")[0] + models)
        assert check("net.py") == 1
        assert "BL502 `net_39` takes 4.20 MB" in capsys.readouterr().out

    def test_what_no_measurement_reaches_still_counts(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        taking = self.PROGRAM.partition("model =")[0].replace("width=512", "width")
        (folder / "net.py").write_text(taking + "def build(width=512):\n    return Net(width)\n")
        self.budget(folder, "4MB")
        assert check("net.py", "--measure") == 1
        assert "BL502 `build` takes 4.20 MB" in capsys.readouterr().out

    def test_a_function_in_a_file_without_classes(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        function = "from torch import nn\n\n\ndef build(n=5000):\n    return nn.Sequential(nn.Linear(n, n))\n"
        (folder / "net.py").write_text(function)
        self.budget(folder, "4MB")
        assert check("net.py") == 1
        assert "net.py:4:1: warning: BL502 `build` takes 100 MB" in capsys.readouterr().out

    def test_in_a_notebook(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = self.PROGRAM.splitlines(keepends=True)
        cells = [{"cell_type": "code", "source": part, "metadata": {}} for part in (lines[:12], lines[12:])]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "net.ipynb").write_text(json.dumps(notebook))
        self.budget(folder, "4MB")
        assert codes(capsys, "net.ipynb") == ["BL502"]

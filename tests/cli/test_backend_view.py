"""`analyze --backend`: what one library leaves, in a table that adds up and says why layers stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bitlens import backends, cli, schemes
from bitlens.cli.backend_view import backend_blocks
from bitlens.cli.layers import View
from bitlens.cli.table import plain
from bitlens.measurement import Report
from bitlens.quantities import size
from cli.conftest import QINT4, QINT8
from safetensors.torch import save_file


def text_of(report: Report, scheme: str = QINT8) -> str:
    return plain(backend_blocks(report, scheme, View()))


def test_the_whole_model_then_each_layer_then_the_reasons(report: Report) -> None:
    [model] = report.models
    text = text_of(report)
    then = model.schemes[QINT8].bytes
    assert f"{QINT8}: {size(model.bytes)} now, {size(then)} then (" in text
    assert "left alone:\n  the library converts Linear, not Embedding: embedding, 256 KB" in text
    assert "decoder.layers.*.norm" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert QINT8 in rows["qkv"] and "as is" in rows["norm"]


def test_a_layer_that_another_format_is_taken_for_says_so(report: Report) -> None:
    [model] = report.models
    first, *others = [layer for layer in model.layers if layer.type == "Linear"]
    changed = replace(first.schemes[QINT4], instead="quanto.qint2", note="does not fit")
    odd = replace(first, schemes={**first.schemes, QINT4: changed})
    text = text_of(replace(report, models=(replace(model, layers=(odd, *others)),)), QINT4)
    assert "quanto.qint2" in text
    assert f"note: does not fit ({first.path})" in text


def test_short_names_mean_schemes_of_their_library() -> None:
    for name in backends.all_names():
        for short, id in backends.get(name).aliases.items():
            assert backends.scheme_named(short) == id
            assert schemes.get(id).library == name


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.safetensors"
    save_file({"fc.weight": torch.eye(64), "fc.bias": torch.zeros(64), "norm.weight": torch.ones(64)}, file)
    assert cli.main(["analyze", str(file), "--backend", "torchao.int8"]) == 0
    shown = capsys.readouterr().out
    assert "torchao.int8_weight_only: 16.9 KB now, 4.93 KB then" in shown
    assert "1 of 2 layers converted" in shown


@pytest.mark.parametrize("options", [["--backend", "all"], ["--backend", "torchao.int9"]])
def test_a_wrong_name_is_told(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", str(tmp_path), *options]) == 2
    assert "there is no scheme" in capsys.readouterr().err


def test_what_a_library_destroys_or_cannot_take_is_said_of_the_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    zero_row, beyond_half, tiny = torch.randn(64, 256), torch.randn(64, 256), torch.randn(64, 256) * 1e-8
    zero_row[3], beyond_half[3, 4] = 0.0, 1e6
    weights = {"zero_row": zero_row, "beyond_half": beyond_half, "tiny": tiny, "odd": torch.randn(64, 100)}
    file = tmp_path / "net.safetensors"
    save_file({f"{name}.weight": weight for name, weight in weights.items()}, file)
    expected = {
        "torchao.float8": "note: 256 finite values become inf or NaN (zero_row)",
        "bitsandbytes.int8": "note: 256 finite values become inf or NaN (beyond_half)",
        "torchao.int8": "note: most of the weight is lost (tiny)",
        "torchao.intx4": "torchao raises: 100 input features are not divisible by the group of 32: odd",
    }
    for backend, said in expected.items():
        assert cli.main(["analyze", str(file), "--backend", backend]) == 0
        assert said in capsys.readouterr().out

"""What a person reads, as plain text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bitlens.cli.layers import View
from bitlens.cli.report_view import report_blocks
from bitlens.cli.table import plain
from bitlens.measurement import Line, Model, Report, SchemeResult


def shown(report: Report, **view: object) -> str:
    return plain(report_blocks(report, View(**view)))  # type: ignore[arg-type]


def row(text: str, start: str) -> list[str]:
    """The words of the first line that starts with `start`."""
    return next(line for line in text.splitlines() if line.strip().startswith(start)).split()


def test_the_head_says_what_it_is_and_where_the_numbers_come_from(report: Report) -> None:
    assert shown(report).splitlines()[:3] == [
        "student: Student  (net.py:40)",
        "662K parameters · float32 · 2.65 MB + 4.10 KB buffers",
        "weights: the values of the checkpoint student.safetensors",
    ]


def test_blocks_are_one_row_with_the_sum_and_the_range(report: Report) -> None:
    text = shown(report)
    assert row(text, "decoder.layers.0-11") == ["decoder.layers.0-11", "×12", "598K", "2.39", "MB"]
    assert row(text, "qkv")[:8] == [
        "qkv",
        "Linear",
        "150K",
        "float32",
        "599",
        "KB",
        "0.500–0.610%",
        "9.00–11.0%",
    ]


def test_what_a_library_leaves_alone_is_as_is_and_says_why(report: Report) -> None:
    text = shown(report)
    assert "as is" in next(line for line in text.splitlines() if line.startswith("embedding "))
    why = "left as is, the library converts Linear, not LayerNorm"
    assert f"note: quanto.qint8, quanto.qint4: {why} (decoder.layers.*.norm)" in text


def test_a_tied_weight_has_no_size_of_its_own(report: Report) -> None:
    assert "tied" in row(shown(report), "head")


def test_the_sum_of_the_top_rows_is_the_model(report: Report) -> None:
    text = shown(report, depth=1, flat=True, sort="path")
    assert [row(text, name)[0] for name in ("decoder", "embedding", "head")] == [
        "decoder",
        "embedding",
        "head",
    ]
    assert "2.39 MB" in text and "256 KB" in text


def test_totals(report: Report) -> None:
    text = shown(report)
    assert row(text, "(now)") == ["(now)", "2.65", "MB", "100%", "–", "–", "–"]
    assert row(text, "float16") == ["float16", "1.32", "MB", "50.0%", "0.0140%", "39", "96"]


def test_flat_names_every_layer_in_full(report: Report, model: Model) -> None:
    text = shown(report, flat=True)
    for layer in model.layers:
        assert any(line.startswith(layer.path + " ") for line in text.splitlines())


def test_top_takes_the_largest_and_counts_the_rest(report: Report, model: Model) -> None:
    text = shown(report, top=2)
    rows = text.split("line\n")[1].splitlines()[:3]
    assert rows[0].startswith("embedding ")
    assert rows[1].startswith("decoder.layers.0.mlp.0 ")
    assert rows[2] == f"… and {len(model.layers) - 2} more; --top shows more"


def test_sort_by_error_puts_the_worst_first(report: Report) -> None:
    assert "decoder.layers.11." in shown(report, top=1, sort="error").split("line\n")[1].splitlines()[0]


def test_sort_by_path_knows_numbers(report: Report) -> None:
    order = [
        line.split()[0] for line in shown(report, flat=True, sort="path").splitlines() if ".norm " in line
    ]
    assert order == [f"decoder.layers.{n}.norm" for n in range(12)]


def test_problems_stand_beneath_with_their_place(report: Report) -> None:
    text = shown(report)
    assert "net.py:31: information: head was taken for a Linear" in text
    assert text.endswith("net.py:50:5: warning: teacher depends on argparse; pass it as a constant\n")


@pytest.mark.parametrize(
    ("weights", "words"), [("initial", "freshly initialised, not trained"), ("shapes", "from shapes alone")]
)
def test_numbers_of_no_checkpoint_are_called_so(
    report: Report, model: Model, weights: str, words: str
) -> None:
    other = replace(model, weights=weights, weights_from=None)
    assert words in shown(replace(report, models=(other,)))


def test_an_unknown_error_is_a_question_mark(report: Report, model: Model) -> None:
    unknown = {"quanto.qint8": SchemeResult(1000)}
    layers = tuple(replace(layer, schemes=unknown) for layer in model.layers)
    text = shown(replace(report, models=(replace(model, layers=layers, schemes=unknown),)))
    assert row(text, "qkv")[6] == "?"
    assert row(text, "quanto.qint8 ")[-1] == "?"


def test_source_lines_are_shown_where_no_layer_was_measured(report: Report, model: Model) -> None:
    lines = (
        Line("net.py", 9, ("a.0", "a.1"), 2, 128, 512),
        Line("net.py", 12, ("b",), 1, None, None, "unknown"),
    )
    text = shown(replace(report, models=(replace(model, layers=(), schemes={}, lines=lines),)))
    assert row(text, "net.py:9") == ["net.py:9", "a.*", "2", "128", "512", "B"]
    assert row(text, "net.py:12") == ["net.py:12", "b", "?", "?", "?"]


def test_names_cannot_move_the_cursor(report: Report, model: Model) -> None:
    evil = replace(model.layers[0], path="\x1b[2Jcleared\n", note="\x1b]0;title\x07")
    text = shown(replace(report, models=(replace(model, layers=(evil,)),)))
    assert "\x1b" not in text
    assert "\\x1b[2Jcleared\\n" in text

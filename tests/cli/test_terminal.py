"""The same report in a terminal window, wide and narrow."""

from __future__ import annotations

import io

import pytest
from bitlens.cli.layers import View
from bitlens.cli.report_view import report_blocks
from bitlens.cli.terminal import Bars, draw
from bitlens.measurement import Report
from rich.console import Console


def drawn(report: Report, width: int, no_color: bool = False, **view: object) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, no_color=no_color, highlight=False)
    draw(report_blocks(report, View(**view)), console)  # type: ignore[arg-type]
    return screen.getvalue()


def test_colors_can_be_refused(report: Report) -> None:
    assert "\x1b[33m" in drawn(report, 140), "a warning is yellow"
    assert "\x1b[3" not in drawn(report, 140, no_color=True)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_narrow_window_loses_columns_and_says_which_but_keeps_the_layers(
    report: Report, width: int
) -> None:
    text = drawn(report, width, no_color=True)
    assert "decoder.layers.0-11 ×12" in text
    assert "2.39 MB" in text
    assert ("no room for:" in text) == (width < 140)


def test_the_first_scheme_is_the_last_to_go(report: Report) -> None:
    text = drawn(report, 70, no_color=True)
    assert "0.500–0.610%" in text
    assert "9.00–11.0%" not in text


def test_a_long_path_is_folded_and_never_shortened(report: Report) -> None:
    text = drawn(report, 36, no_color=True, flat=True)
    assert "…" not in text
    assert "decoder.layers.11.attention.qkv" in "".join(
        line.split("  ")[0].strip() for line in text.splitlines()
    )


def test_markup_in_a_name_is_text() -> None:
    screen = io.StringIO()
    with Bars(Console(file=screen, width=100, force_terminal=True)) as bars:
        bars.show("[bold]net[/bold]", 1, None, "layers.[red]0")
        bars.show("[bold]net[/bold]", 2, 4, "layers.1\x1b[2J")
    assert "[bold]net[/bold]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()

"""The extension in VS Code itself: what a person sees and does with a Python file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from editor.vscode.window import PATIENCE, Window
from playwright.sync_api import expect

Opener = Callable[[str], Window]
MEASURED = r"fp32 15 KB · int8 .*% · int4 .*%"


def test_sizes_show_before_anything_is_measured(opened: Opener) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    window.hint("self.words = ", r"46 MB")
    window.caret(1)
    window.picture("hints")


def measured(opened: Opener) -> Window:
    """A window in which the program was measured by a click on its lens."""
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    window.lens("Measure").click()
    window.hint("self.head = ", MEASURED)
    return window


def test_the_lens_measures_and_the_hints_get_numbers(opened: Opener) -> None:
    window = measured(opened)
    expect(window.lens("model tree")).to_contain_text("measured", timeout=PATIENCE)
    window.caret(1)
    window.picture("measured")


def test_progress_shows_and_the_measurement_can_be_cancelled(opened: Opener) -> None:
    """From the lenses, and then from the palette."""
    window = opened("slow.py")
    window.hint("self.layers = ", r"MB")
    progress = window.page.get_by_text("Measuring slow.py")
    window.lens("Measure").click()
    expect(progress.first).to_be_visible(timeout=PATIENCE)
    expect(window.lens("cancel")).to_be_visible(timeout=PATIENCE)
    window.picture("progress")
    window.lens("cancel").click()
    expect(progress).to_have_count(0, timeout=PATIENCE)
    window.command("bitlens: Measure File")
    expect(progress.first).to_be_visible(timeout=PATIENCE)
    window.command("bitlens: Cancel")
    expect(progress).to_have_count(0, timeout=PATIENCE)
    window.no_hint("self.layers = ", "int8")


def test_hover_shows_the_table_of_schemes(opened: Opener) -> None:
    window = measured(opened)
    window.caret(21, 20)
    hover = window.hover()
    expect(hover).to_contain_text("weight error", timeout=PATIENCE)
    expect(hover.locator("table").first).to_be_visible()
    expect(hover.locator("img")).to_have_attribute("src", re.compile("^data:image/svg"))
    window.picture("hover")
    hover.locator("img").scroll_into_view_if_needed()
    window.picture("hover-picture")


def test_the_report_shows_the_models_memory(opened: Opener) -> None:
    window = measured(opened)
    window.command("bitlens: Open Report")
    inner = window.page.frame_locator("iframe.webview").frame_locator("iframe#active-frame")
    tiles = inner.locator(".tile")
    expect(tiles.first).to_have_attribute(
        "aria-label", re.compile("words, Embedding, 46.1 MB"), timeout=PATIENCE
    )
    tiles.first.focus()
    window.page.keyboard.press("ArrowRight")
    selected = inner.locator('.tile[aria-selected="true"]')
    expect(selected).to_have_attribute("aria-label", re.compile("blocks"), timeout=PATIENCE)
    expect(inner.locator(".histogram .bar")).to_have_count(64, timeout=PATIENCE)
    window.picture("report")
    window.page.keyboard.press("Enter")
    expect(window.page.locator(".statusbar-item").filter(has_text=re.compile("Ln 1[0-3]"))).to_be_visible(
        timeout=PATIENCE
    )


def test_a_quick_fix_quantizes_and_the_saved_file_runs(
    opened: Opener, folder: Path, run_program: Callable[[Path], str]
) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    window.caret(30, 9)
    rows = window.fixes()
    window.picture("quantize")
    rows.filter(has_text=re.compile("quantize.*int8", re.IGNORECASE)).first.click()
    expect(window.line("freeze(model)")).to_be_visible(timeout=PATIENCE)
    text = window.save(folder / "classifier.py", "freeze(model)")
    assert "quantize(model, weights=qint8)" in text
    assert "词嵌入 😋" in text
    assert run_program(folder / "classifier.py") == "torch.Size([10])\n"


def test_toggle_hides_the_hints(opened: Opener) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    window.caret(21)
    window.page.keyboard.press("Control+Alt+b")
    window.no_hint("self.head = ", r"15 KB")
    window.page.keyboard.press("Control+Alt+b")
    window.hint("self.head = ", r"15 KB")

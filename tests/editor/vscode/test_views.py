"""The extension in VS Code itself: the model tree, Quantize To Fit, the walkthrough."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from editor.vscode.window import PATIENCE, Window
from playwright.sync_api import expect

Opener = Callable[[str], Window]


def test_the_model_tree_is_sorted_filtered_and_jumps_to_the_line(opened: Opener) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    window.caret(30)
    window.command("bitlens: Measure This Model")
    window.hint("self.head = ", "int8")
    window.command("bitlens: Open Model Tree")
    expect(window.row("words")).to_contain_text("46.1 MB", timeout=PATIENCE)
    window.page.locator(".pane-header").filter(has_text="我的 模型").click()  # makes room
    expect(window.row("head")).to_be_visible(timeout=PATIENCE)
    window.picture("tree")
    assert window.rows()[:3] == ["model", "words", "blocks"]
    window.command("bitlens: Sort by Error")
    expect(window.page.locator(".pane-body .monaco-list-row").last).to_contain_text("words", timeout=PATIENCE)
    window.command("bitlens: Filter…")
    window.answer("head")
    expect(window.row("words")).to_have_count(0, timeout=PATIENCE)
    window.row("head").click()
    expect(window.page.locator(".statusbar-item").filter(has_text="Ln 21")).to_be_visible(timeout=PATIENCE)


def test_layers_are_excluded_and_converted_from_the_tree(
    opened: Opener, folder: Path, run_program: Callable[[Path], str]
) -> None:
    """What the source alone tells is enough for both."""
    window = opened("quantized.py")
    window.hint("self.first = ", "KB")
    window.command("bitlens: Open Model Tree")
    window.choose(window.row("second"), "Exclude from Quantization")
    expect(window.line('weights=qint8, exclude="second")')).to_be_visible(timeout=PATIENCE)
    window.save(folder / "quantized.py", "exclude")
    run_program(folder / "quantized.py")
    window.page.locator(".monaco-list-row").filter(has_text="classifier.py").dblclick()
    window.hint("self.head = ", r"15 KB")
    window.choose(window.row("head"), "Quantize Only This Layer…")
    window.page.locator(".quick-input-list .monaco-list-row").filter(has_text="int8").click(timeout=PATIENCE)
    expect(window.line('quantize(model, weights=qint8, include="head")')).to_be_visible(timeout=PATIENCE)


def test_a_layer_of_a_library_jumps_into_its_source(opened: Opener) -> None:
    """The tree of a model that was only read, and a file outside the workspace."""
    window = opened("library.py")
    window.hint("model = BertModel(", "KB")
    window.command("bitlens: Open Model Tree")
    # The tree takes the focus when it comes; five of its rows are drawn, which depends on what is unfolded.
    expect(window.row("embeddings")).to_be_visible(timeout=PATIENCE)
    window.command("bitlens: Filter…")
    window.answer("word_embeddings")
    filtered = window.page.locator(".pane-body").filter(has_text="Filter: word_embeddings")
    expect(filtered).to_be_visible(timeout=PATIENCE)
    expect(window.row("LayerNorm")).to_have_count(0, timeout=PATIENCE)
    window.page.wait_for_timeout(500)  # the rows move up
    window.row("word_embeddings").click(timeout=PATIENCE)
    expect(window.page.locator('.tab.active[data-resource-name="modeling_bert.py"]')).to_be_visible(
        timeout=PATIENCE
    )
    expect(window.line("self.word_embeddings = nn.Embedding(")).to_be_visible(timeout=PATIENCE)


def test_quantize_to_fit_says_what_comes_of_a_budget_and_edits_the_program(
    opened: Opener, folder: Path, run_program: Callable[[Path], str]
) -> None:
    window = opened("classifier.py")
    window.hint("self.head = ", r"15 KB")
    window.command("bitlens: Quantize To Fit…")
    window.page.locator(".notifications-toasts .monaco-button").filter(has_text="Measure File").click(
        timeout=PATIENCE
    )
    window.hint("self.head = ", "int8")
    window.command("bitlens: Quantize To Fit…")
    box = window.page.locator(".quick-input-widget")
    box.locator("input.input").fill("1MB")
    expect(box).to_contain_text("the smallest that quanto makes of it", timeout=PATIENCE)
    box.locator("input.input").fill("60MB")
    expect(box).to_contain_text(re.compile(r"74.5 MB → .* of 60.0 MB: .* int8"), timeout=PATIENCE)
    window.picture("fit")
    window.page.keyboard.press("Enter")
    expect(window.line("freeze(model)")).to_be_visible(timeout=PATIENCE)
    window.picture("fitted")
    assert "quantize(model, weights=qint8, " in window.save(folder / "classifier.py", "freeze(model)")
    assert run_program(folder / "classifier.py") == "torch.Size([10])\n"


def test_the_walkthrough_shows_its_pictures(opened: Opener) -> None:
    window = opened("classifier.py")
    window.page.set_viewport_size({"width": 1600, "height": 900})  # a narrow page leaves the pictures out
    window.hint("self.head = ", r"15 KB")
    window.command("Welcome: Open Walkthrough...")
    window.answer("See the bits in your model")
    page = window.page.locator(".gettingStartedContainer")
    expect(page).to_contain_text("Sizes while you type", timeout=PATIENCE)
    for step in ("Sizes while you type", "Measure the model", "Quantize it"):
        page.get_by_text(step, exact=True).click()
        picture = page.locator(".getting-started-media img")
        expect(picture).to_be_visible(timeout=PATIENCE)
        window.page.wait_for_timeout(500)
        assert picture.evaluate("picture => picture.naturalWidth") > 300
    window.picture("walkthrough")

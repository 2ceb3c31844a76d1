"""A VS Code window, by what a person sees and types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Error, Locator, Page, expect

PATIENCE = 120_000
"""Milliseconds; the machine may be busy with other work."""
BOX = ".quick-input-widget input.input"
"""Where VS Code takes text: one element for the palette and for every box that a command opens."""


class Window:
    """One page of code-server."""

    def __init__(self, page: Page, pictures: Path) -> None:
        self.page = page
        self._pictures = pictures

    def line(self, text: str) -> Locator:
        """A line of an editor (or of a notebook's cells) whose text holds `text`; hints are part of it."""
        spaced = re.compile(re.escape(text).replace(r"\ ", r"[ \u00a0]"))
        return self.page.locator(".view-line").filter(has_text=spaced).first

    def hint(self, code: str, hint: str) -> None:
        """Wait until the line that holds `code` shows a hint that matches the pattern `hint`."""
        expect(self.line(code)).to_contain_text(re.compile(hint.replace(" ", r"[ \u00a0]")), timeout=PATIENCE)

    def no_hint(self, code: str, hint: str) -> None:
        """Wait until the line shows no such hint."""
        gone = re.compile(hint.replace(" ", r"[ \u00a0]"))
        expect(self.line(code)).not_to_contain_text(gone, timeout=PATIENCE)

    def command(self, title: str) -> None:
        """Run a command from the palette, which closes when a command before it takes the focus."""
        box = self.page.locator(BOX)
        for last in (False, False, True):
            self.page.keyboard.press("F1")
            try:
                box.fill(f">{title}", timeout=PATIENCE if last else 5_000)
                break
            except Error:
                if last:
                    raise
        first = self.page.locator(".quick-input-list .monaco-list-row").first
        expect(first).to_contain_text(title.split(": ")[-1], timeout=PATIENCE)
        self.page.keyboard.press("Enter")
        palette = self.page.locator(f'{BOX}[placeholder^="Type the name of a command"]')
        palette.wait_for(state="hidden")

    def answer(self, text: str) -> None:
        """Type into the box that a command opened, and press Enter."""
        self.page.locator(BOX).fill(text)
        self.page.keyboard.press("Enter")

    def choose(self, row: Locator, title: str) -> None:
        """Choose from the context menu of a row."""
        row.click(button="right")
        item = self.page.locator(".monaco-menu .action-label").filter(has_text=title).first
        for _ in range(10):  # VS Code ignores a click that comes too soon after the menu
            item.click()
            self.page.wait_for_timeout(500)
            if not item.is_visible():
                return
        pytest.fail(f"the menu stays open after a click on {title!r}")

    def caret(self, line: int, column: int = 1) -> None:
        """Put the caret somewhere (both from 1)."""
        self.page.locator(".editor-instance .monaco-editor, .monaco-editor").first.wait_for()
        self.page.keyboard.press("Control+g")
        box = self.page.locator(BOX)
        box.wait_for(state="visible")
        box.fill(f":{line}:{column}")
        self.page.keyboard.press("Enter")
        box.wait_for(state="hidden")

    def hover(self) -> Locator:
        """Show the hover at the caret."""
        self.page.keyboard.press("Control+k")
        self.page.keyboard.press("Control+i")
        shown = self.page.locator(".monaco-hover:visible").last
        shown.wait_for()
        return shown

    def lens(self, title: str) -> Locator:
        """The last code lens with these words: that of the expression that builds the model."""
        return self.page.locator(".codelens-decoration a").filter(has_text=title).last

    def fixes(self) -> Locator:
        """The menu of code actions at the caret."""
        self.page.keyboard.press("Control+.")
        rows = self.page.locator(".action-widget .monaco-list-row")
        rows.first.wait_for()
        return rows

    def row(self, text: str) -> Locator:
        """A row of the model tree."""
        return self.page.locator(".pane-body .monaco-list-row").filter(has_text=text).first

    def rows(self) -> list[str]:
        """The first words of the model tree's rows, from the top."""
        rows = self.page.locator(".pane-body .monaco-list-row").filter(has_text=re.compile("[KM]?B"))
        return [re.split(r"[\s█▏▎▍▌▋▊▉]", row.inner_text())[0] for row in rows.all()]

    @property
    def status(self) -> Locator:
        """Our item in the status bar."""
        return self.page.locator(".statusbar-item").filter(has_text="bitlens").first

    @property
    def notifications(self) -> Locator:
        """The messages that popped up."""
        return self.page.locator(".notification-list-item-message")

    def save(self, file: Path, text: str) -> str:
        """Save the active editor, and wait until the file on disk holds `text`; what it holds."""
        self.page.keyboard.press("Control+s")
        for _ in range(PATIENCE // 200):
            if text in file.read_text("utf-8"):
                break
            self.page.wait_for_timeout(200)
        return file.read_text("utf-8")

    def picture(self, name: str) -> None:
        """Keep a screenshot."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._pictures / f"{name}.png")

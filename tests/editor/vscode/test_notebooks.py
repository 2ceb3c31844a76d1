"""The extension in VS Code itself: notebooks."""

from __future__ import annotations

import re
from collections.abc import Callable

from editor.vscode.window import PATIENCE, Window
from playwright.sync_api import expect


def test_hints_and_measurements_land_in_the_right_cell(opened: Callable[[str], Window]) -> None:
    window = opened("lesson.ipynb")
    window.hint("self.fc1 = ", r"804 KB")
    window.lens("Measure").click()
    window.hint("self.fc1 = ", r"fp32 804 KB · int8 .*%")
    expect(window.line("net = Net()")).to_contain_text(re.compile("fp32"), timeout=PATIENCE)
    window.picture("notebook")

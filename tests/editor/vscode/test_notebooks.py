"""The extension in VS Code itself: notebooks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from editor.vscode.window import PATIENCE, Window
from playwright.sync_api import expect


def test_hints_measurements_and_edits_land_in_the_right_cell(
    opened: Callable[[str], Window], folder: Path
) -> None:
    window = opened("lesson.ipynb")
    window.hint("self.fc1 = ", r"804 KB")
    window.lens("Measure").click()
    window.hint("self.fc1 = ", r"fp32 804 KB · int8 .*%")
    expect(window.line("net = Net()")).to_contain_text(re.compile("int8"), timeout=PATIENCE)
    window.picture("notebook")
    window.line("net = Net()").click()
    rows = window.fixes()
    rows.filter(has_text=re.compile("quantize.*int8", re.IGNORECASE)).first.click()
    expect(window.line("freeze(net)")).to_be_visible(timeout=PATIENCE)
    saved = json.loads(window.save(folder / "lesson.ipynb", "freeze(net)"))
    cells = ["".join(cell["source"]) for cell in saved["cells"]]
    assert cells[3] == "net = Net()\nquantize(net, weights=qint8)\nfreeze(net)"
    assert any("import freeze, qint8, quantize" in cell for cell in cells[1:3])

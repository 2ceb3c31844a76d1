"""Draw real output of `bitlens analyze` as an SVG: `make picture`, or FILE.svg [TARGET]."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from bitlens.cli.layers import View
from bitlens.cli.report_view import report_blocks
from bitlens.cli.terminal import draw
from bitlens.measuring import Options, measure
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

COLUMNS = 118


def main() -> None:
    """Measure the target and write what a terminal would show."""
    picture, target = sys.argv[1], (sys.argv[2:] or ["examples/sentence_encoder.py"])[0]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    draw(report_blocks(measure(target, Options()), View()), console)
    # A picture in a README loads nothing from elsewhere, fonts included.
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title=f"bitlens analyze {target}", code_format=form, unique_id="bitlens")
    Path(picture).write_text(svg, "utf-8")


if __name__ == "__main__":
    main()

"""The `[tool.bitlens]` table of the project in which a file stands."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitlens.problems import BitlensError, Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

FILE = "pyproject.toml"


def table(folder: Path) -> tuple[str, Mapping[str, Any]]:
    """The nearest `[tool.bitlens]` at or above a folder, and the file that holds it; empty where there is
    none.

    Raises BitlensError (`bad-settings`) for a file on the way that is not valid TOML.
    """
    for candidate in (folder, *folder.parents):
        file = candidate / FILE
        try:
            tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
        except OSError:
            continue
        except ValueError as error:
            raise BitlensError(
                Problem("bad-settings", f"this file is not valid TOML: {error}", str(file))
            ) from error
        if isinstance(tool, Mapping) and isinstance(tool.get("bitlens"), Mapping):
            return str(file), tool["bitlens"]
    return FILE, {}

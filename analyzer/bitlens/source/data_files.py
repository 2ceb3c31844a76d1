"""JSON and YAML files as plain data, with a limit on what is read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from bitlens.problems import BitlensError, Problem

LARGEST_JSON = 8_000_000
LARGEST_YAML = 400_000
"""Characters; libcst's own dependency parses about 100 KB a second."""


def parse_json(text: str) -> Any:
    """Raises ValueError for what is no JSON, or too long or too deep."""
    if len(text) > LARGEST_JSON:
        raise ValueError(f"longer than {LARGEST_JSON // 1_000_000} MB")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Scientific(_LOADER):  # type: ignore[misc, valid-type]
    """OmegaConf reads `1e-6` as a number, which YAML 1.1 takes for text."""


_Scientific.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str, scientific: bool = False) -> Any:
    """Plain tags only; numbers without a dot as OmegaConf reads them if `scientific`. Raises ValueError for
    what is no YAML, or too long or too deep."""
    if len(text) > LARGEST_YAML:
        raise ValueError(f"longer than {LARGEST_YAML // 1000} KB")
    try:
        return yaml.load(text, _Scientific if scientific else _LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")[:200]) from error


def read_data(path: Path) -> dict[str, Any]:
    """The object that a JSON or YAML file holds. Raises BitlensError (`unreadable-config`)."""
    try:
        if path.stat().st_size > 4 * LARGEST_JSON:
            raise ValueError("the file is too long")
        text = path.read_text("utf-8")
        values = parse_yaml(text) if path.suffix in (".yaml", ".yml") else parse_json(text)
    except (OSError, ValueError) as error:
        problem = Problem("unreadable-config", f"the configuration cannot be read: {error}", str(path))
        raise BitlensError(problem) from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        message = "the configuration is no object with names for keys"
        raise BitlensError(Problem("unreadable-config", message, str(path)))
    return values

"""JSON from files that may lie: size, nesting, numbers and repeated keys are checked."""

from __future__ import annotations

import json
from typing import Any

from bitlens.worker.checkpoints.base import CheckpointError, open_regular

MAX_BYTES = 100_000_000
"""The limit that the safetensors format sets for its header; far above any index or config."""


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a number has more than 20 digits")
    return int(digits)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {repeated[:100]!r} is there twice")
    return found


def parse_object(text: bytes, what: str, file: str) -> dict[str, Any]:
    """Parse a JSON object; CheckpointError `bad-header` for anything else, saying `what` was being read."""
    try:
        found = json.loads(text.decode("utf-8"), parse_int=_integer, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise CheckpointError("bad-header", f"{what} is nested too deeply.", file) from None
    except ValueError as error:
        raise CheckpointError("bad-header", f"{what} is not valid JSON: {error}.", file) from None
    if not isinstance(found, dict):
        raise CheckpointError("bad-header", f"{what} is not a JSON object.", file)
    return found


def read_object(path: str, what: str) -> dict[str, Any]:
    """Read a JSON file that holds an object; CheckpointError if it is missing, too large or no such thing."""
    with open_regular(path) as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise CheckpointError("bad-header", f"{what} is larger than {MAX_BYTES} bytes.", path)
    return parse_object(text, what, path)

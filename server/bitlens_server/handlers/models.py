"""`bitlens/models`: the models of a program as data, for clients that draw the tree themselves."""

from __future__ import annotations

import os
from typing import Any

from bitlens.analysis import Placed
from bitlens.features import markdown, model_tree

from bitlens_server.analyses import Current
from bitlens_server.server import Server


async def models(server: Server, params: Any) -> list[dict[str, Any]]:
    """Everything known of the program of `params.uri`, measured models first, each name once.

    A node of a tree has `uri` and `position` (line from 0 in that document, as the text is now) where it
    is constructed in an open document; lines of other files stay `file` and `line`.
    """
    program = server.session.program(str(getattr(params, "uri", "")))
    if program is None:
        return []
    current = await server.analyses.current(program)
    found: dict[str, Placed] = {}
    for placed in sorted(current.analysis.placed, key=lambda one: one.numbers.origin != "measured"):
        found.setdefault(placed.numbers.model.name, placed)
    return [_model(current, placed) for placed in found.values()]


def _model(current: Current, placed: Placed) -> dict[str, Any]:
    numbers = placed.numbers
    model = numbers.model
    tree = model_tree.as_data(placed)
    _locate(current, placed, tree)
    tree.update(_place(current, placed, model.file, model.line))
    return {
        "name": model.name,
        "class": model.class_,
        "origin": numbers.origin,
        "about": markdown.origin(numbers, placed.stale).replace("**", ""),
        "caution": markdown.NOT_DAMAGE,
        "stale": placed.stale,
        "complete": numbers.complete,
        "device": numbers.environment.device_name or numbers.environment.device,
        "tree": tree,
    }


def _locate(current: Current, placed: Placed, node: dict[str, Any]) -> None:
    """Say where a node, and all beneath it, stands in the open documents."""
    node.update(_place(current, placed, node["file"], node["line"]))
    for child in node["children"]:
        _locate(current, placed, child)


def _place(current: Current, placed: Placed, file: str | None, line: int | None) -> dict[str, Any]:
    own = file is not None and os.path.normpath(file) == os.path.normpath(placed.file)
    here = placed.here.get(line) if own and line is not None else None
    located = current.snapshot.locate(here - 1) if here is not None else None
    return {"uri": located[0].uri, "position": located[1]} if located is not None else {}

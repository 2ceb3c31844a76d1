"""Hovers."""

from __future__ import annotations

from bitlens.features import hover as feature
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.analyses import Current
from bitlens_server.server import Server


async def hover(server: Server, params: types.HoverParams) -> types.Hover | None:
    """What stands under the mouse or the caret."""
    program = server.session.program(params.text_document.uri)
    if program is None:
        return None
    return await server.analyses.ask(program, lambda current: _hover(server, current, params))


def _hover(server: Server, current: Current, params: types.HoverParams) -> types.Hover | None:
    part = current.snapshot.part(params.text_document.uri)
    if part is None or not part.count:
        return None
    encoding = server.session.encoding
    line, column = convert.place(current.snapshot, part, params.position, encoding)
    found = feature.hover(current.analysis, line, column, server.client.pictures)
    text = convert.markup(found.text, server.client) if found is not None else None
    if found is None or text is None:
        return None
    return types.Hover(text, convert.range_(current.snapshot, found.start, found.end, encoding))

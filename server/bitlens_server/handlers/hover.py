"""Hovers."""

from __future__ import annotations

import asyncio

from bitlens.features import hover as feature
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.server import Server


async def hover(server: Server, params: types.HoverParams) -> types.Hover | None:
    """What stands under the mouse or the caret."""
    program = server.session.program(params.text_document.uri)
    if program is None:
        return None
    current = await server.analyses.current(program)
    part = current.snapshot.part(params.text_document.uri)
    if part is None or not part.count:
        return None
    encoding = server.session.encoding
    line, column = convert.place(current.snapshot, part, params.position, encoding)
    found = await asyncio.to_thread(feature.hover, current.analysis, line, column)
    if found is None:
        return None
    text = convert.markup(found.text, server.client)
    assert text is not None
    return types.Hover(text, convert.range_(current.snapshot, found.start, found.end, encoding))

"""Inlay hints, and their tooltips when somebody asks."""

from __future__ import annotations

from bitlens.features import hover
from bitlens.features.hints import hints
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.protocol import Written
from bitlens_server.server import Server

PATIENCE = 0.025
"""Seconds; an editor waits for all its servers before it shows any hint."""


async def inlay_hint(server: Server, params: types.InlayHintParams) -> Written | None:
    """The hints of a range, at once: those of the last text, on the lines of now, where the new ones take
    time.
    """
    uri = params.text_document.uri
    program = server.session.program(uri)
    if program is None:
        return None
    current, fresh = await server.analyses.soon(program, PATIENCE)
    if not fresh:
        server.refresher.soon()
    part = current.snapshot.part(uri)
    if part is None:
        return None
    first, last = convert.lines_of(params.range, part)
    encoding = server.session.encoding
    found = [hint for hint in hints(current.analysis) if first <= hint.line <= last]
    return Written([convert.inlay_hint(current.snapshot, part, hint, encoding) for hint in found])


async def inlay_hint_resolve(server: Server, hint: types.InlayHint) -> types.InlayHint:
    """The tooltip of a hint, and of each part of its label."""
    uri, line, topics = hint.data if isinstance(hint.data, list) else ("", 0, [])
    program = server.session.program(uri)
    current = server.analyses.last(program) if program is not None else None
    if current is None:
        return hint
    if isinstance(hint.label, str):
        return hint
    hint.tooltip = convert.markup(
        hover.of_line(current.analysis, line, server.client.pictures), server.client
    )
    if "label.tooltip" in server.client.resolves_hint:
        for part, topic in zip(hint.label, topics, strict=False):
            part.tooltip = convert.markup(hover.of_topic(current.analysis, line, topic), server.client)
    return hint

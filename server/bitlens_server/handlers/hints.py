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
    now = current.snapshot if fresh else server.session.snapshot(program)
    part = now.part(uri)
    if part is None:
        return None
    first, last = convert.lines_of(params.range, part)
    moved = current.snapshot.moved(now)
    found = [(hint, moved(hint.line)) for hint in hints(current.analysis)]
    return Written(
        [
            convert.inlay_hint(now, part, hint, line, server.session.encoding)
            for hint, line in found
            if first <= line <= last
        ]
    )


async def inlay_hint_resolve(server: Server, hint: types.InlayHint) -> types.InlayHint:
    """The tooltip of a hint, and of each part of its label."""
    uri, line_id, topics = hint.data if isinstance(hint.data, list) else ("", 0, [])
    program = server.session.program(uri)
    current = server.analyses.last(program) if program is not None else None
    line = current.snapshot.line_of(line_id) if current is not None else None
    if current is None or line is None or isinstance(hint.label, str):
        return hint
    hint.tooltip = convert.markup(
        hover.of_line(current.analysis, line, server.client.pictures), server.client
    )
    if "label.tooltip" in server.client.resolves_hint:
        for part, topic in zip(hint.label, topics, strict=False):
            part.tooltip = convert.markup(hover.of_topic(current.analysis, line, topic), server.client)
    return hint

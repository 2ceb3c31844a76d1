"""Code lenses."""

from __future__ import annotations

from bitlens.features.lens import Activity, Lens, lenses
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.handlers.hints import PATIENCE
from bitlens_server.server import Server


async def code_lens(server: Server, params: types.CodeLensParams) -> list[types.CodeLens] | None:
    """All lenses of a document."""
    uri = params.text_document.uri
    program = server.session.program(uri)
    if program is None:
        return None
    current, fresh = await server.analyses.soon(program, PATIENCE)
    if not fresh:
        server.refresher.soon()
    now = server.session.snapshot(program)
    part = now.part(uri)
    run = server.measurements.running(program)
    activity = Activity(run.model, run.done, run.total) if run else None
    if part is None:
        return None
    moved = current.snapshot.moved(now)
    return [
        types.CodeLens(convert.line_range(now, line, server.session.encoding), _command(uri, lens))
        for lens in lenses(current.analysis, activity)
        if part.first < (line := moved(lens.line)) <= part.first + part.count
    ]


def _command(uri: str, lens: Lens) -> types.Command:
    return types.Command(lens.title, f"bitlens.{lens.command}", arguments=[uri, lens.model])

"""Findings: for clients that ask, and sent to those that do not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bitlens import rules
from bitlens.rules import Finding
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.analyses import Current, Superseded

if TYPE_CHECKING:
    from bitlens_server.server import Server


async def diagnostic(
    server: Server, params: types.DocumentDiagnosticParams
) -> types.RelatedFullDocumentDiagnosticReport:
    """All findings of one document."""
    uri = params.text_document.uri
    program = server.session.program(uri)
    if program is None:
        return types.RelatedFullDocumentDiagnosticReport([])
    found = await server.analyses.ask(program, lambda current: _by_document(server, current))
    return types.RelatedFullDocumentDiagnosticReport(found.get(uri, []))


async def push(server: Server) -> None:
    """Send the findings of every open program."""
    for program in server.session.programs():
        try:
            current = await server.analyses.current(program)
            found = await asyncio.to_thread(_by_document, server, current)
        except Superseded:
            continue
        except Exception:
            server.report_mistake("diagnostics")
            continue
        for part in current.snapshot.parts:
            server.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(part.uri, found.get(part.uri, []), part.version)
            )


def _by_document(server: Server, current: Current) -> dict[str, list[types.Diagnostic]]:
    found: dict[str, list[types.Diagnostic]] = {}
    if not current.analysis.settings.diagnostics.enabled:
        return found
    for finding in rules.findings(current.analysis):
        located = current.snapshot.locate(finding.span.line - 1)
        if located is not None:
            found.setdefault(located[0].uri, []).append(_diagnostic(server, current, finding))
    return found


def _diagnostic(server: Server, current: Current, finding: Finding) -> types.Diagnostic:
    return types.Diagnostic(
        convert.span_range(current.snapshot, finding.span, server.session.encoding),
        finding.message,
        severity=convert.severity(finding.severity),
        code=finding.code,
        source="bitlens",
    )

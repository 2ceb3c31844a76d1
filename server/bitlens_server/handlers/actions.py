"""Code actions: offers first, the edit when one is chosen."""

from __future__ import annotations

import asyncio
from typing import Any

from bitlens import actions, rules
from bitlens.edits import Finding, Offer, Position, TextEdit
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.analyses import Current
from bitlens_server.server import Server

FIX_ALL = "source.fixAll.bitlens"
KINDS = [types.CodeActionKind.QuickFix, types.CodeActionKind.RefactorRewrite, FIX_ALL]


async def code_action(server: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    """What can be done at a selection; the edits come with `codeAction/resolve` where the client asks for
    them.
    """
    uri = params.text_document.uri
    program = server.session.program(uri)
    if program is None or not server.client.code_action_literals:
        return None
    current = await server.analyses.current(program)
    part = current.snapshot.part(uri)
    if part is None or not part.count:
        return None
    encoding = server.session.encoding
    start = convert.place(current.snapshot, part, params.range.start, encoding)
    end = convert.place(current.snapshot, part, params.range.end, encoding)
    return await asyncio.to_thread(_offered, server, current, uri, (start, end), params.context)


async def code_action_resolve(server: Server, action: types.CodeAction) -> types.CodeAction:
    """The edit of an action; none where the text no longer fits it."""
    data = action.data if isinstance(action.data, dict) else {}
    program = server.session.program(str(data.get("uri")))
    if program is None:
        return action
    current = await server.analyses.current(program)
    if data.get("fixAll"):
        edits = await asyncio.to_thread(_safe_edits, current)
    else:
        edits = await asyncio.to_thread(actions.edits, current.analysis, convert.offer(data))
    action.edit = convert.workspace_edit(current.snapshot, edits, server.session.encoding, server.client)
    return action


def _offered(
    server: Server,
    current: Current,
    uri: str,
    at: tuple[Position, Position],
    context: types.CodeActionContext,
) -> list[types.CodeAction]:
    found: list[types.CodeAction] = []
    here = [f for f in rules.findings(current.analysis) if f.start <= at[1] and at[0] <= f.end]
    for finding in here:
        diagnostics = [d for d in context.diagnostics if d.code == finding.code]
        found += [_action(server, current, uri, offer, diagnostics) for offer in finding.fixes]
    offers = actions.offers(current.analysis, *at)
    found += [_action(server, current, uri, offer, []) for offer in offers]
    found += _fix_all(server, current, uri)
    return [action for action in found if _is_asked_for(action.kind, context.only)]


def _is_asked_for(kind: Any, only: Any) -> bool:
    """Kinds are a hierarchy by dots; a source action is only made for somebody who asks."""
    name = str(getattr(kind, "value", kind))
    if not only:
        return not name.startswith("source.")
    wanted = [str(getattr(one, "value", one)) for one in only]
    return any(one in ("", name) or name.startswith(one + ".") for one in wanted)


def _action(
    server: Server, current: Current, uri: str, offer: Offer, diagnostics: list[types.Diagnostic]
) -> types.CodeAction:
    action = types.CodeAction(
        offer.title,
        types.CodeActionKind(offer.kind),
        diagnostics=diagnostics or None,
        is_preferred=offer.preferred or None,
        data=convert.offer_data(uri, offer),
    )
    if not server.client.resolves_actions:
        edits = actions.edits(current.analysis, offer)
        action.edit = convert.workspace_edit(current.snapshot, edits, server.session.encoding, server.client)
    return action


def _fix_all(server: Server, current: Current, uri: str) -> list[types.CodeAction]:
    edits = _safe_edits(current)
    if not edits:
        return []
    action = types.CodeAction("Fix all safe bitlens findings", FIX_ALL, data={"uri": uri, "fixAll": True})
    if not server.client.resolves_actions:
        action.edit = convert.workspace_edit(current.snapshot, edits, server.session.encoding, server.client)
    return [action]


def _safe_edits(current: Current) -> tuple[TextEdit, ...]:
    """Every safe fix whose edits touch no other's."""
    taken: list[TextEdit] = []
    for offer in _safe_offers(rules.findings(current.analysis)):
        edits = actions.edits(current.analysis, offer)
        fresh = tuple(edit for edit in edits if edit not in taken)
        if not any(_touch(edit, other) for edit in fresh for other in taken):
            taken += fresh
    return tuple(taken)


def _safe_offers(findings: tuple[Finding, ...]) -> list[Offer]:
    firsts = [next((offer for offer in finding.fixes if offer.safe), None) for finding in findings]
    return [offer for offer in firsts if offer is not None]


def _touch(one: TextEdit, other: TextEdit) -> bool:
    return one.start <= other.end and other.start <= one.end

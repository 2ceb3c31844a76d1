"""Code actions: offers first, the edit when one is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any

from bitlens import actions
from bitlens.editing.offers import Span, TextEdit, applied
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.analyses import Current
from bitlens_server.handlers import fitting
from bitlens_server.server import Server

FIX_ALL = "source.fixAll.bitlens"
KINDS = [types.CodeActionKind.QuickFix, types.CodeActionKind.RefactorRewrite, FIX_ALL]


async def code_action(server: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    """What can be done at a selection; the edits come with `codeAction/resolve` where clients can ask."""
    program = server.session.program(params.text_document.uri)
    if program is None or not server.client.code_action_literals:
        return None
    return await server.analyses.ask(program, lambda current: _at(server, current, params))


async def code_action_resolve(server: Server, action: types.CodeAction) -> types.CodeAction:
    """The edit of an action; none where the text no longer fits it."""
    data = action.data if isinstance(action.data, dict) else {}
    program = server.session.program(str(data.get("uri")))
    if program is None:
        return action
    action.edit = await server.analyses.ask(program, lambda current: _edit(server, current, data))
    return action


def _edit(server: Server, current: Current, data: dict[str, Any]) -> types.WorkspaceEdit | None:
    analysis = current.analysis
    if data.get("fixAll"):
        offer = actions.fix_all(analysis)
    else:
        asked = (data.get("id"), data.get("title"))
        offered = actions.offered(analysis, Span(*data["span"]))
        alike = [one for one in offered if (one.id, one.title) == asked]
        offer = next(iter(alike[data.get("nth", 0) :]), None)
    if offer is None:
        return None
    edits = by_lines(analysis.text, offer.edit()) if data.get("fixAll") else offer.edit()
    return convert.workspace_edit(current.snapshot, edits, server.session.encoding, server.client)


def _at(server: Server, current: Current, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    uri = params.text_document.uri
    part = current.snapshot.part(uri)
    if part is None or not part.count:
        return None
    span = convert.span(current.snapshot, part, params.range, server.session.encoding)
    return _offered(server, current, uri, span, params.context)


def _offered(
    server: Server, current: Current, uri: str, span: Span, context: types.CodeActionContext
) -> list[types.CodeAction]:
    place = [span.line, span.column, span.end_line, span.end_column]
    found: list[types.CodeAction] = []
    alike: Counter[tuple[str, str]] = Counter()
    for offer in actions.offered(current.analysis, span):
        diagnostics = [d for d in context.diagnostics if d.code == offer.id]
        name = offer.id, offer.title
        data = {"uri": uri, "id": offer.id, "title": offer.title, "nth": alike[name], "span": place}
        alike[name] += 1
        preferred = (bool(diagnostics) and offer.safe) or None
        kind = types.CodeActionKind(offer.kind)
        found.append(
            types.CodeAction(offer.title, kind, diagnostics or None, is_preferred=preferred, data=data)
        )
    everything = actions.fix_all(current.analysis) if _is_asked_for(FIX_ALL, context.only) else None
    if everything is not None:
        found.append(types.CodeAction(everything.title, FIX_ALL, data={"uri": uri, "fixAll": True}))
    fit = fitting.offered(current, span) if server.client.apply_edit else None
    found = [action for action in (*found, fit) if action and _is_asked_for(action.kind, context.only)]
    if not server.client.resolves_actions:
        for action in (one for one in found if one.command is None):
            action.edit = _edit(server, current, dict(action.data or {}))
    return found


def _is_asked_for(kind: Any, only: Any) -> bool:
    """Kinds are a hierarchy by dots; a source action is only made for somebody who asks."""
    name = str(getattr(kind, "value", kind))
    if not only:
        return not name.startswith("source.")
    wanted = [str(getattr(one, "value", one)) for one in only]
    return any(one in ("", name) or name.startswith(one + ".") for one in wanted)


def by_lines(text: str, edits: Sequence[TextEdit]) -> tuple[TextEdit, ...]:
    """The same change as edits of whole lines: cells between two changed ones are not part of any."""
    old, new = (split.splitlines(keepends=True) for split in (text, applied(text, edits)))
    starts = list(accumulate(map(len, old), initial=0))
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return tuple(
        TextEdit(starts[i], starts[j], "".join(new[k:m]))
        for kind, i, j, k, m in matcher.get_opcodes()
        if kind != "equal"
    )

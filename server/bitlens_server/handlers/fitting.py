"""`bitlens.quantizeToFit`: plan which layers to convert so that a model fits, and edit the program."""

from __future__ import annotations

from typing import Any

from bitlens.editing.offers import Span
from bitlens.features import quantize_to_fit
from bitlens.problems import BitlensError
from bitlens.quantities import parse_size, size
from lsprotocol import types

from bitlens_server import convert
from bitlens_server.analyses import Current
from bitlens_server.server import Server

COMMAND = "bitlens.quantizeToFit"


async def quantize_to_fit_command(server: Server, *arguments: Any) -> dict[str, Any]:
    """`bitlens.quantizeToFit [uri] [model] [budget] [look]`: edit the program so that the model fits.

    `budget` is a size as text (`8GB`) or bytes; the project's budget or the device's memory where it is
    missing. With `look` true nothing is edited or said, the answer tells what would come of it. The answer
    has `ok`, `message`, `budget` (null where none is known) and `bytes`.
    """
    uri, model, budget, look = (*arguments, *(None,) * 4)[:4]
    program = _program(server, uri)
    if program is None:
        answer = _refused("open a Python file or a notebook whose model shall fit", None)
    elif not server.client.apply_edit:
        answer = _refused("this editor takes no edits from a server", None)
    else:
        answer = await server.analyses.ask(program, lambda current: _answer(server, current, model, budget))
    edit = answer.pop("edit", None)
    if not look:
        server.tell(answer["message"], types.MessageType.Info if answer["ok"] else types.MessageType.Warning)
        if edit is not None:
            server.ask(types.WORKSPACE_APPLY_EDIT, types.ApplyWorkspaceEditParams(edit, _label(answer)))
    return answer


def offered(current: Current, span: Span) -> types.CodeAction | None:
    """The command as a code action, where a model is larger than its budget and can be made to fit."""
    found = quantize_to_fit.offered(current.analysis, span)
    if found is None:
        return None
    title = f"Quantize `{found.model}` to fit {size(found.budget)} with quanto"
    arguments = [current.snapshot.uri, found.model, found.budget]
    command = types.Command(title, COMMAND, arguments=arguments)
    return types.CodeAction(title, types.CodeActionKind.RefactorRewrite, command=command)


def _program(server: Server, uri: Any) -> str | None:
    if isinstance(uri, str):
        return server.session.program(uri)
    programs = list(server.session.programs())
    return programs[0] if len(programs) == 1 else None


def _label(answer: dict[str, Any]) -> str:
    return f"Quantize to fit {size(answer['budget'])}"


def _refused(message: str, budget: int | None) -> dict[str, Any]:
    return {"ok": False, "message": message, "budget": budget, "bytes": None}


def _answer(server: Server, current: Current, model: Any, given: Any) -> dict[str, Any]:
    analysis = current.analysis
    placed = quantize_to_fit.measured(analysis, model if isinstance(model, str) else None)
    if placed is None:
        return _refused("the errors of this model's layers are not known yet; measure it first", None)
    budget = quantize_to_fit.default_budget(analysis, placed)
    try:
        budget = budget if given in (None, "") else parse_size(str(given))
        if budget is None:
            return _refused("how much memory may it take? set diagnostics.budget of [tool.bitlens]", None)
        found = quantize_to_fit.fit(analysis, placed, budget)
    except (BitlensError, ValueError) as error:
        return _refused(str(error), budget)
    edit = convert.workspace_edit(current.snapshot, found.edits, server.session.encoding, server.client)
    return {
        "ok": True,
        "message": found.said,
        "budget": budget,
        "bytes": found.plan.bytes,
        "edit": edit,
    }

"""Commands, by their names in the editor. Only `bitlens.measure` runs anything, and only where the user
trusts it.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from bitlens.analysis import Placed
from bitlens.features import model_tree
from lsprotocol import types

from bitlens_server.server import Server

_ALL = "All, as a range"


async def measure(server: Server, *arguments: Any) -> dict[str, Any]:
    """`bitlens.measure [uri] [model]`: measure a program's models, or one of them."""
    program = _program(server, arguments)
    if program is None:
        return _refused(server, "open a Python file or a notebook to measure its models")
    model = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else None
    problem = server.measurements.start(program, model)
    return {"started": True} if problem is None else _refused(server, problem.message)


async def cancel(server: Server, *arguments: Any) -> dict[str, Any]:
    """`bitlens.cancel [uri]`: end a measurement, or all."""
    program = _program(server, arguments) if arguments else None
    return {"cancelled": server.measurements.cancel(program)}


async def open_model_tree(server: Server, *arguments: Any) -> dict[str, Any] | None:
    """`bitlens.modelTree [uri] [model]`: the tree as text and data, and as a file that is shown or named."""
    program = _program(server, arguments)
    if program is None:
        return None
    current = await server.analyses.current(program)
    name = arguments[1] if len(arguments) > 1 else None
    placed = _chosen(current.analysis.placed, name)
    if placed is None:
        return _refused(server, "nothing is known of this model yet; measure it first")
    text = model_tree.as_text(placed)
    if not server.client.shows_tree:
        _show(server, placed.numbers.model.name, text)
    return {"text": text, "tree": model_tree.as_data(placed)}


async def choose_root(server: Server, *arguments: Any) -> dict[str, Any] | None:
    """`bitlens.chooseRoot [uri] [current] [root]`: whose numbers to show; asks where no root is given."""
    program = _program(server, arguments)
    if program is None:
        return None
    roots = server.known.roots(program)
    if len(arguments) > 2:
        _choose(server, program, arguments[2])
    else:
        titles = [types.MessageActionItem(title) for title in (*roots, _ALL)]
        question = types.ShowMessageRequestParams(types.MessageType.Info, "Show the numbers of", titles)
        asked = server.protocol.send_request(types.WINDOW_SHOW_MESSAGE_REQUEST, question)
        asked.add_done_callback(lambda done: _answered(server, program, done))
    return {"roots": list(roots)}


def _answered(server: Server, program: str, done: Future[Any]) -> None:
    item = None if done.cancelled() or done.exception() else done.result()
    if item is not None:
        _choose(server, program, item.title)


def _choose(server: Server, program: str, root: object) -> None:
    roots = server.known.roots(program)
    server.known.choose(program, root if isinstance(root, str) and root in roots else None)
    server.news(program)


async def toggle_hints(server: Server, *arguments: Any) -> dict[str, Any]:
    """`bitlens.toggleHints`: hints off and on again."""
    wanted = server.settings.toggle()
    for program in server.session.programs():
        server.news(program)
    return {"preset": wanted}


async def debug_information(server: Server, *arguments: Any) -> dict[str, Any]:
    """`bitlens.debugInformation`: what a bug report needs."""
    return server.debug_information()


def _program(server: Server, arguments: tuple[Any, ...]) -> str | None:
    if arguments and isinstance(arguments[0], str):
        return server.session.program(arguments[0])
    programs = list(server.session.programs())
    return programs[0] if len(programs) == 1 else None


def _refused(server: Server, message: str) -> dict[str, Any]:
    server.tell(message, types.MessageType.Warning)
    return {"started": False, "message": message}


def _chosen(placed: tuple[Placed, ...], name: object) -> Placed | None:
    named = [one for one in placed if one.numbers.model.name == name]
    return next(iter([*named, *placed]), None) if name is None else next(iter(named), None)


def _show(server: Server, name: str, text: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bitlens-"))
    file = folder / f"{''.join(c if c.isalnum() else '-' for c in name)[:60]}.txt"
    file.write_text(text, encoding="utf-8")
    if server.client.show_document:
        server.ask(types.WINDOW_SHOW_DOCUMENT, types.ShowDocumentParams(file.as_uri(), take_focus=True))
    else:
        server.tell(f"the model tree of {name} is in {file}", types.MessageType.Info)

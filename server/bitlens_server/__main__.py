"""`python -m bitlens_server`: the table from methods to handlers, and the way to the client."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from lsprotocol import types

from bitlens_server.handlers import (
    actions,
    commands,
    diagnostics,
    documents,
    fitting,
    hints,
    hover,
    lens,
    lifecycle,
    models,
)
from bitlens_server.protocol import guarded, guarded_notification
from bitlens_server.server import Server

REQUESTS: dict[str, tuple[Callable[..., Any], Any]] = {
    types.TEXT_DOCUMENT_INLAY_HINT: (hints.inlay_hint, types.InlayHintOptions(resolve_provider=True)),
    types.INLAY_HINT_RESOLVE: (hints.inlay_hint_resolve, None),
    types.TEXT_DOCUMENT_HOVER: (hover.hover, None),
    types.TEXT_DOCUMENT_CODE_LENS: (lens.code_lens, types.CodeLensOptions(resolve_provider=False)),
    types.TEXT_DOCUMENT_CODE_ACTION: (
        actions.code_action,
        types.CodeActionOptions(code_action_kinds=actions.KINDS, resolve_provider=True),
    ),
    types.CODE_ACTION_RESOLVE: (actions.code_action_resolve, None),
    "bitlens/models": (models.models, None),
    types.TEXT_DOCUMENT_DIAGNOSTIC: (
        diagnostics.diagnostic,
        types.DiagnosticOptions(
            inter_file_dependencies=True, workspace_diagnostics=False, identifier="bitlens"
        ),
    ),
}
NOTIFICATIONS: dict[str, Callable[[Server, Any], None]] = {
    types.INITIALIZED: lifecycle.initialized,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: lifecycle.did_change_configuration,
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: lifecycle.did_change_watched_files,
    types.WINDOW_WORK_DONE_PROGRESS_CANCEL: lifecycle.cancel_progress,
    types.TEXT_DOCUMENT_DID_OPEN: documents.did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: documents.did_change,
    types.TEXT_DOCUMENT_DID_SAVE: documents.did_save,
    types.TEXT_DOCUMENT_DID_CLOSE: documents.did_close,
    types.NOTEBOOK_DOCUMENT_DID_OPEN: documents.notebook_did_open,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: documents.notebook_did_change,
    types.NOTEBOOK_DOCUMENT_DID_SAVE: documents.notebook_did_save,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: documents.notebook_did_close,
    "bitlens/trust": lifecycle.trust,
}
COMMANDS: dict[str, Callable[..., Any]] = {
    "bitlens.measure": commands.measure,
    "bitlens.cancel": commands.cancel,
    "bitlens.modelTree": commands.open_model_tree,
    "bitlens.chooseRoot": commands.choose_root,
    "bitlens.toggleHints": commands.toggle_hints,
    fitting.COMMAND: fitting.quantize_to_fit_command,
    "bitlens.debugInformation": commands.debug_information,
}


def create() -> Server:
    """A server with every handler in its place."""
    server = Server()
    server.feature(types.INITIALIZE)(lambda ls, params: lifecycle.initialize(ls, params))
    server.feature(types.SHUTDOWN)(lambda ls, params: lifecycle.shutdown(ls, params))
    for method, (handler, options) in REQUESTS.items():
        server.feature(method, options)(_bound(server, guarded(handler)))
    for method, notification in NOTIFICATIONS.items():
        server.feature(method)(_taking(server, guarded_notification(notification)))
    for name, command in COMMANDS.items():
        server.command(name)(_bound(server, guarded(command)))
    return server


def _bound(server: Server, handler: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(*arguments: Any) -> Any:
        return await handler(server, *arguments)

    return handle


def _taking(server: Server, handler: Callable[[Server, Any], None]) -> Callable[[Any], None]:
    def handle(params: Any) -> None:
        handler(server, params)

    return handle


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Serve one client until it says exit."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.ws and importlib.util.find_spec("websockets") is None:
        parser.error("--ws needs a library that is not installed: pip install websockets")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("pygls").setLevel(
        logging.CRITICAL
    )  # it prints a traceback for every superseded request
    # Threads work while the event loop answers: it must not wait its usual 5 ms for each of them.
    sys.setswitchinterval(0.0005)
    server = create()
    server.garbage.begin()
    if arguments.tcp:
        server.start_tcp(arguments.host, arguments.port)
    elif arguments.ws:
        server.start_ws(arguments.host, arguments.port)
    else:
        server.start_io()
    server.close_down()
    sys.stderr.flush()
    os._exit(0 if server.was_shut_down else 1)  # a thread in the midst of a study would be waited for


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitlens server", description="Speak the language server protocol.")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stdio", action="store_true", help="over standard input and output (the default)")
    way.add_argument("--tcp", action="store_true", help="over a TCP socket, for debugging")
    way.add_argument("--ws", action="store_true", help="over a web socket, for debugging")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port to listen at (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()

"""From `initialize` to `exit`: what the client can do, its settings, and the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from lsprotocol import types

from bitlens_server.client import client_of
from bitlens_server.positions import Encoding
from bitlens_server.server import Server
from bitlens_server.session import path_of

_ENCODINGS: dict[str, Encoding] = {"utf-8": "utf-8", "utf-16": "utf-16", "utf-32": "utf-32"}


def initialize(server: Server, params: types.InitializeParams) -> None:
    """Before the capabilities are answered."""
    server.client = client_of(params)
    encoding = server.workspace.position_encoding
    server.session.encoding = _ENCODINGS.get(str(getattr(encoding, "value", encoding)), "utf-16")
    options = params.initialization_options
    if isinstance(options, dict) and "settings" in options:
        server.settings.set_client(None, options["settings"])


def initialized(server: Server, params: types.InitializedParams) -> None:
    """The client is ready: ask for settings and for news of project files."""
    if server.client.watches_files:
        _watch(server)
    _ask_settings(server)


def did_change_configuration(server: Server, params: types.DidChangeConfigurationParams) -> None:
    """Settings changed: ask for them, or take those that were sent."""
    if server.client.configuration:
        _ask_settings(server)
        return
    values = params.settings
    server.settings.set_client(None, values.get("bitlens", values) if isinstance(values, dict) else {})
    everything_changed(server)


def did_change_watched_files(server: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """A project's file changed."""
    server.settings.forget()
    everything_changed(server)


def trust(server: Server, params: object) -> None:
    """`bitlens/trust`: the user trusts the workspace now, or no longer."""
    trusted = bool(getattr(params, "trusted", False))
    server.client = replace(server.client, trusted=trusted)
    if not trusted:
        server.measurements.cancel()


def cancel_progress(server: Server, params: types.WorkDoneProgressCancelParams) -> None:
    """The user cancelled a measurement in the editor's own progress bar."""
    server.measurements.cancel_token(params.token)


def shutdown(server: Server, params: object) -> None:
    """Nothing may outlive the server."""
    server.was_shut_down = True
    server.close_down()


def everything_changed(server: Server) -> None:
    """Every open program gets a new answer."""
    for program in server.session.programs():
        server.say_wrong_settings(server.session.snapshot(program).path)
        server.news(program)
        server.studies.soon(program)


def _ask_settings(server: Server) -> None:
    if not server.client.configuration:
        return
    folders = [*server.client.folders, None]
    items = [types.ConfigurationItem(scope_uri=folder, section="bitlens") for folder in folders]
    task = asyncio.ensure_future(_take_settings(server, folders, items))
    server.pushing.add(task)
    task.add_done_callback(server.pushing.discard)


async def _take_settings(
    server: Server, folders: list[str | None], items: list[types.ConfigurationItem]
) -> None:
    try:
        values = await server.protocol.send_request_async(
            types.WORKSPACE_CONFIGURATION, types.ConfigurationParams(items)
        )
    except Exception:
        server.report_mistake("workspace/configuration")
        return
    for folder, value in zip(folders, values, strict=False):
        server.settings.set_client(_folder(folder), value)
    everything_changed(server)


def _folder(uri: str | None) -> Path | None:
    return None if uri is None else path_of(uri)


def _watch(server: Server) -> None:
    watcher = types.FileSystemWatcher("**/pyproject.toml")
    options = types.DidChangeWatchedFilesRegistrationOptions([watcher])
    registration = types.Registration("bitlens-project", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    server.ask(types.CLIENT_REGISTER_CAPABILITY, types.RegistrationParams([registration]))

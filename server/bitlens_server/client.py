"""What the client at the other end can do, and what it told about its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.capabilities import get_capability

_WITHOUT_TABLES = {"marko", "Python-Markdown"}
"""Parsers that know tables by an extension alone; the standard itself has none."""


@dataclass(frozen=True, slots=True)
class Client:
    """Capabilities by what they mean here. The default is a client that announces nothing."""

    configuration: bool = False
    hint_refresh: bool = False
    lens_refresh: bool = False
    diagnostic_refresh: bool = False
    pulls_diagnostics: bool = False
    progress: bool = False
    show_document: bool = False
    apply_edit: bool = False
    versioned_edits: bool = False
    annotated_edits: bool = False
    markdown: bool = False
    tables: bool = True
    """Whether its Markdown has tables."""
    pictures: bool = False
    watches_files: bool = False
    code_action_literals: bool = False
    resolves_actions: bool = False
    resolves_hint: frozenset[str] = frozenset()
    trusted: bool = False
    """Whether anything may run. A client option, so that no workspace can switch it on."""
    status: bool = False
    """Whether the client wants `bitlens/status` notifications."""
    shows_tree: bool = False
    """Whether the client shows model trees by itself, from the command's data."""
    folders: tuple[str, ...] = ()
    """URIs of the workspace."""


def client_of(params: types.InitializeParams) -> Client:
    """Read what `initialize` says."""
    capabilities, options = params.capabilities, _options(params)

    def has(name: str) -> bool:
        return bool(get_capability(capabilities, name, False))

    formats = get_capability(capabilities, "text_document.hover.content_format", ()) or ()
    tags = get_capability(capabilities, "general.markdown.allowed_tags", ()) or ()
    hint = get_capability(capabilities, "text_document.inlay_hint.resolve_support", None)
    resolve = get_capability(capabilities, "text_document.code_action.resolve_support", None)
    return Client(
        configuration=has("workspace.configuration"),
        hint_refresh=has("workspace.inlay_hint.refresh_support"),
        lens_refresh=has("workspace.code_lens.refresh_support"),
        diagnostic_refresh=has("workspace.diagnostics.refresh_support"),
        pulls_diagnostics=get_capability(capabilities, "text_document.diagnostic", None) is not None,
        progress=has("window.work_done_progress"),
        show_document=has("window.show_document.support"),
        apply_edit=has("workspace.apply_edit"),
        versioned_edits=has("workspace.workspace_edit.document_changes"),
        annotated_edits=get_capability(
            capabilities, "workspace.workspace_edit.change_annotation_support", None
        )
        is not None,
        markdown=types.MarkupKind.Markdown in formats,
        tables=get_capability(capabilities, "general.markdown.parser", None) not in _WITHOUT_TABLES,
        pictures="img" in tags or options.get("pictures") is True,
        watches_files=has("workspace.did_change_watched_files.dynamic_registration"),
        code_action_literals=get_capability(
            capabilities, "text_document.code_action.code_action_literal_support", None
        )
        is not None,
        resolves_actions=resolve is not None and "edit" in resolve.properties,
        resolves_hint=frozenset(hint.properties) if hint is not None else frozenset(),
        trusted=options.get("trusted") is True,
        status=options.get("statusNotifications") is True,
        shows_tree=options.get("modelTree") is True,
        folders=_folders(params),
    )


def _options(params: types.InitializeParams) -> Mapping[str, Any]:
    options = params.initialization_options
    return options if isinstance(options, Mapping) else {}


def _folders(params: types.InitializeParams) -> tuple[str, ...]:
    if params.workspace_folders:
        return tuple(folder.uri for folder in params.workspace_folders)
    return (params.root_uri,) if params.root_uri else ()

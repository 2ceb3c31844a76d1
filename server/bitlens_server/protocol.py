"""What pygls does differently here: documents are kept by our session, and no mistake of ours reaches the
client.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcContentModified, JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

from bitlens_server.analyses import Superseded

log = logging.getLogger("bitlens")
Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that is JSON data already."""

    data: Any


class Protocol(LanguageServerProtocol):
    """pygls' protocol without its own copy of every document.

    Its copy splits the whole text again at every keystroke; the session does it once, for the changed lines.
    """

    def _send_response(self, msg_id: Any, result: Any = None, error: Any = None) -> None:
        if isinstance(result, Written) and error is None:
            self._result_types.pop(msg_id, None)
            self._send_data({"id": msg_id, "jsonrpc": self.VERSION, "result": result.data})
        else:
            super()._send_response(msg_id, result, error)

    def _call(self, method: str, params: Any) -> Generator[Any, Any, Any]:
        handler = self.fm.features.get(method)
        if handler is not None:
            yield handler, (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Any:
        """A file was opened."""
        yield from self._call(types.TEXT_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Any:
        """A file was edited."""
        yield from self._call(types.TEXT_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Any:
        """A file was closed."""
        yield from self._call(types.TEXT_DOCUMENT_DID_CLOSE, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> Any:
        """A notebook was opened."""
        yield from self._call(types.NOTEBOOK_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: types.DidChangeNotebookDocumentParams) -> Any:
        """A notebook was edited."""
        yield from self._call(types.NOTEBOOK_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: types.DidCloseNotebookDocumentParams) -> Any:
        """A notebook was closed."""
        yield from self._call(types.NOTEBOOK_DOCUMENT_DID_CLOSE, params)


def guarded(handler: Handler) -> Handler:
    """A request handler that answers nothing where it fails, ContentModified where its text is gone."""

    @functools.wraps(handler)
    async def answer(server: Any, *arguments: Any) -> Any:
        try:
            return await handler(server, *arguments)
        except Superseded:
            raise JsonRpcContentModified("the text has changed") from None
        except JsonRpcException:
            raise
        except Exception:
            server.report_mistake(handler.__name__)
            return None

    return answer


def guarded_notification(handler: Callable[..., None]) -> Callable[..., None]:
    """A notification handler whose failure is logged, and ends with that notification."""

    @functools.wraps(handler)
    def take(server: Any, params: Any) -> None:
        try:
            handler(server, params)
        except Exception:
            server.report_mistake(handler.__name__)

    return take

"""Work-done progress that the user can cancel, for clients that show it."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from bitlens_server.server import Server


PATIENCE = 2.0
"""Seconds to wait for the client's consent to a bar."""


class Progress:
    """One bar. All methods run on the event loop; without the client's support they do nothing."""

    def __init__(self, server: Server, title: str) -> None:
        self._server = server
        self._title = title
        self._open = False
        self.token = f"bitlens/{uuid.uuid4()}"

    async def begin(self) -> None:
        """Show the bar."""
        if not self._server.client.progress:
            return
        create = types.WorkDoneProgressCreateParams(self.token)
        asked = self._server.protocol.send_request_async(types.WINDOW_WORK_DONE_PROGRESS_CREATE, create)
        try:
            await asyncio.wait_for(asked, PATIENCE)
        except (TimeoutError, asyncio.TimeoutError, JsonRpcException):
            return  # a client that takes no bar after all still gets its numbers
        self._open = True
        self._send(types.WorkDoneProgressBegin(self._title, cancellable=True, percentage=0))

    def report(self, message: str, done: int, total: int | None) -> None:
        """Say how far it is."""
        percentage = min(100, 100 * done // total) if total else None
        self._send(types.WorkDoneProgressReport(message=message, percentage=percentage, cancellable=True))

    def end(self, message: str) -> None:
        """Take the bar away."""
        self._send(types.WorkDoneProgressEnd(message=message))
        self._open = False

    def _send(
        self, value: types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd
    ) -> None:
        if self._open:
            self._server.protocol.notify(types.PROGRESS, types.ProgressParams(self.token, value))

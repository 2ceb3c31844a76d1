"""Tells the client that there is more to show: one refresh for all that arrived within a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from bitlens_server.server import Server

INTERVAL = 0.4
"""Seconds between two refreshes; each makes the editor ask again for everything that is visible."""


class Refresher:
    """Coalesces refreshes. Runs on the event loop."""

    def __init__(self, server: Server, push: Callable[[], None]) -> None:
        """`push` sends diagnostics to a client that does not pull them."""
        self._server = server
        self._push = push
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def soon(self) -> None:
        """Refresh at once if nothing was refreshed lately, else when the interval is over."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait = max(0.0, self._last + INTERVAL - loop.time())
            self._timer = loop.call_later(wait, self._send)

    def _send(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        client = self._server.client
        if client.hint_refresh:
            self._server.ask(types.WORKSPACE_INLAY_HINT_REFRESH)
        if client.lens_refresh:
            self._server.ask(types.WORKSPACE_CODE_LENS_REFRESH)
        if client.pulls_diagnostics:
            if client.diagnostic_refresh:
                self._server.ask(types.WORKSPACE_DIAGNOSTIC_REFRESH)
        else:
            self._push()

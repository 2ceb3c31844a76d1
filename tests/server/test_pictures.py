"""Who gets pictures: VS Code, which announces `img`, and whoever asks for them."""

from __future__ import annotations

import pytest
from server.clients import InProcess
from server.test_requests import played


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [("vscode", {}, True), ("neovim", {}, False), ("neovim", {"pictures": True}, True), ("bare", {}, False)],
)
def test_pictures_are_for_clients_that_take_them(name: str, options: dict[str, bool], wanted: bool) -> None:
    async def scenario(client: InProcess) -> None:
        assert client.server.client.pictures is wanted

    played(scenario, name, options=options)

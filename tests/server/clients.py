"""Editors as the server sees them: one that speaks to it inside the test's process, one over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bitlens_server.__main__ import create

Message = dict[str, Any]
RECORDED = Path(__file__).parent / "initialize"
NOTHING: Message = {"capabilities": {}}
"""A client with no optional capability."""
NAMES = ("vscode", "neovim", "sublime-lsp-2.13.0", "zed-1.7.0", "bare")


def initialize_parameters(name: str) -> Message:
    """What a client says in `initialize`."""
    return NOTHING if name == "bare" else json.loads((RECORDED / f"{name}.json").read_text())


def full_range(text: str) -> Message:
    """All of a document."""
    return {"start": {"line": 0, "character": 0}, "end": {"line": text.count("\n") + 1, "character": 0}}


def label(hint: Message) -> str:
    """The text of an inlay hint."""
    return "".join(part["value"] for part in hint["label"])


class Refused(Exception):
    """An error that the server answered."""

    def __init__(self, error: Message) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


def complaints(messages: list[Message]) -> list[str]:
    """What went wrong inside the server: mistakes of ours are logged as errors, never answered."""
    logged = [m["params"] for m in messages if m.get("method") == "window/logMessage"]
    return [params["message"] for params in logged if params["type"] == 1]


def answer(message: Message, configuration: Any) -> Any:
    """What an editor answers to the server's own requests."""
    if message["method"] == "workspace/configuration":
        return [configuration for _ in message["params"]["items"]]
    return {"success": True} if message["method"] == "window/showDocument" else None


class InProcess:
    """The server behind its protocol, without a process: `async with InProcess(...) as client`."""

    def __init__(
        self, name: str = "vscode", options: Message | None = None, configuration: Any = None
    ) -> None:
        self.server = create()
        self.configuration = configuration
        self.received: list[Message] = []
        self._parameters = {**initialize_parameters(name), "processId": None, "rootUri": None}
        self._parameters["initializationOptions"] = options or {}
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._id = 0
        self.server.protocol.set_writer(self, include_headers=False)

    async def __aenter__(self) -> InProcess:
        await self.request("initialize", self._parameters)
        self.notify("initialized", {})
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close_down()
        assert complaints(self.received) == []

    def write(self, data: bytes) -> None:
        """A message of the server."""
        message = json.loads(data)
        self.received.append(message)
        if "method" not in message:
            self._waiting.pop(message["id"]).set_result(message)
        elif "id" in message:
            self._send({"id": message["id"], "result": answer(message, self.configuration)})

    def close(self) -> None:
        """Nothing to close."""

    def _send(self, message: Message) -> None:
        protocol = self.server.protocol
        text = json.dumps({"jsonrpc": "2.0", **message})
        asyncio.get_running_loop().call_soon(
            lambda: protocol.handle_message(json.loads(text, object_hook=protocol.structure_message))
        )

    def notify(self, method: str, params: Message) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    async def taken(self) -> None:
        """Until the server has begun with what was sent; over a pipe it reads one message at a time, too."""
        for _ in range(3):
            await asyncio.sleep(0)

    def start(self, method: str, params: Message) -> tuple[int, asyncio.Future[Message]]:
        """Send a request; its id, and where the answer will be."""
        self._id += 1
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[self._id] = future
        self._send({"id": self._id, "method": method, "params": params})
        return self._id, future

    async def request(self, method: str, params: Message | None) -> Any:
        """The answer to a request; raises Refused."""
        message = await asyncio.wait_for(self.start(method, params or {})[1], 60)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def open(self, uri: str, text: str) -> None:
        """Open a Python file."""
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    async def hints(self, uri: str, text: str) -> list[Message]:
        """All hints of a document."""
        params = {"textDocument": {"uri": uri}, "range": full_range(text)}
        return await self.request("textDocument/inlayHint", params) or []

    async def settled(self) -> None:
        """Until nothing of the source is being studied."""
        await self.taken()
        studies = self.server.studies
        while studies.busy:
            await asyncio.sleep(0.01)


class Editor:
    """A client of a server process over stdio; blocking, with a thread that reads."""

    def __init__(
        self,
        name: str = "vscode",
        root: Path | None = None,
        options: Message | None = None,
        configuration: Any = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.configuration = configuration
        self.received: list[Message] = []
        self._answers: dict[int, queue.Queue[Message]] = {}
        self._id = 0
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bitlens_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        threading.Thread(target=self._read, daemon=True).start()
        parameters = {**initialize_parameters(name), "processId": os.getpid(), "rootUri": None}
        if root is not None:
            parameters["rootUri"] = root.as_uri()
            parameters["workspaceFolders"] = [{"uri": root.as_uri(), "name": root.name}]
        parameters["initializationOptions"] = options or {}
        self.pulls_diagnostics = "diagnostic" in parameters["capabilities"].get("textDocument", {})
        self.capabilities = self.request("initialize", parameters)["capabilities"]
        self.notify("initialized", {})

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.request("shutdown", None, 20)
            self.notify("exit", None)
            assert self.process.wait(20) == 0
        finally:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                assert stream is not None
                stream.close()
        assert complaints(self.received) == []

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while line := stream.readline():
            length = 0
            while line.strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                line = stream.readline()
            self._take(json.loads(stream.read(length)))

    def _take(self, message: Message) -> None:
        if "method" not in message:
            self._answers[message["id"]].put(message)
            return
        with self._arrived:
            self.received.append(message)
            self._arrived.notify_all()
        if "id" in message:
            self._send({"id": message["id"], "result": answer(message, self.configuration)})

    def _send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self.process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stream.flush()

    def notify(self, method: str, params: Message | None) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Message | None, seconds: float = 240) -> Any:
        """The answer to a request; raises Refused."""
        self._id += 1
        mailbox = self._answers[self._id] = queue.Queue()
        self._send({"id": self._id, "method": method, "params": params})
        message = mailbox.get(timeout=seconds)
        if "error" in message:
            raise Refused(message["error"])
        return message.get("result")

    def open(self, uri: str, text: str) -> None:
        """Open a Python file."""
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def hints(self, uri: str, text: str) -> list[Message]:
        """All hints of a document."""
        params = {"textDocument": {"uri": uri}, "range": full_range(text)}
        return self.request("textDocument/inlayHint", params) or []

    def command(self, name: str, *arguments: Any) -> Any:
        """Run a command of the server."""
        return self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    def until(self, wanted: Callable[[Message], bool], seconds: float = 240) -> Message:
        """The first message of the server, old or new, that is wanted."""
        deadline = time.monotonic() + seconds
        with self._arrived:
            while True:
                found = next((message for message in self.received if wanted(message)), None)
                if found is not None:
                    return found
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"nothing like it among {[m['method'] for m in self.received]}")

    def until_measured(self) -> None:
        """Until a measurement has ended, by its progress."""
        self.until(lambda m: m["method"] == "$/progress" and m["params"]["value"]["kind"] == "end")


def polled(look: Callable[[], Any], seconds: float = 240) -> Any:
    """What `look` gives as soon as it gives something; for clients that are told nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError

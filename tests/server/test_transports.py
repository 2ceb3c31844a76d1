"""The ways to the server besides standard input and output: a TCP socket, a web socket."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from server.clients import NOTHING, Message

Talk = Callable[[Message], Message]


@contextlib.contextmanager
def serving(way: str) -> Iterator[int]:
    """A server process that listens at a port which was free; it must end by itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bitlens_server", way, "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        yield port
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def connected(port: int, seconds: float = 240) -> socket.socket:
    """As soon as the server listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:  # noqa: PERF203
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def session(ask: Callable[[Message], Message], tell: Callable[[Message], Any]) -> None:
    """Initialize, look at what the server can do, and leave in good manners."""
    answer = ask({"id": 1, "method": "initialize", "params": {**NOTHING, "processId": None, "rootUri": None}})
    assert answer["result"]["capabilities"]["inlayHintProvider"] == {"resolveProvider": True}
    tell({"method": "initialized", "params": {}})
    assert ask({"id": 2, "method": "shutdown"})["result"] is None
    tell({"method": "exit"})


def test_tcp() -> None:
    with serving("--tcp") as port, connected(port) as connection, connection.makefile("rwb") as stream:

        def tell(message: Message) -> None:
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            stream.flush()

        def ask(message: Message) -> Message:
            tell(message)
            while True:
                headers = dict(line.split(b": ") for line in iter(stream.readline, b"\r\n"))
                found: Message = json.loads(stream.read(int(headers[b"Content-Length"])))
                if found.get("id") == message["id"]:
                    return found

        session(ask, tell)


def test_web_socket() -> None:
    client = pytest.importorskip("websockets.sync.client")
    with serving("--ws") as port:
        connected(port).close()
        with client.connect(f"ws://127.0.0.1:{port}") as stream:

            def tell(message: Message) -> None:
                stream.send(json.dumps({"jsonrpc": "2.0", **message}))

            def ask(message: Message) -> Message:
                tell(message)
                while True:
                    found: Message = json.loads(stream.recv(60))
                    if found.get("id") == message["id"]:
                        return found

            session(ask, tell)

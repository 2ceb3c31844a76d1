"""How long an editor waits: from an edit to the answer, from opening to the first hints, while scrolling.

Every server in the same run, on transformers' largest modeling file: ours beside ruff (diagnostics) and ty
(inlay hints) where they are installed. Then the memory of our server with many such files open.

    python benchmarks/latency.py [--rounds 30] [--files 50] [--skip NAME ...]

`answer` counts to the first reply after an edit, which may hold numbers that were known before it; `settled`
to the refresh after which nothing changes any more.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = dict[str, Any]
CAPABILITIES: Message = {
    "workspace": {"configuration": True, "inlayHint": {"refreshSupport": True}, "workspaceFolders": True},
    "textDocument": {
        "inlayHint": {"resolveSupport": {"properties": ["tooltip"]}},
        "diagnostic": {},
        "synchronization": {},
    },
    "window": {"workDoneProgress": True},
}


@dataclass(frozen=True)
class Contender:
    """A server and the request that it is asked."""

    name: str
    command: tuple[str, ...]
    method: str


def contenders() -> list[Contender]:
    """Ours, and those of the neighbours that are installed beside this interpreter."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    hints, diagnostics = "textDocument/inlayHint", "textDocument/diagnostic"
    found = [Contender("bitlens", (sys.executable, "-m", "bitlens_server"), hints)]
    for name, method in (("ruff", diagnostics), ("ty", hints)):
        program = shutil.which(name, path=beside)
        found += [Contender(name, (program, "server"), method)] if program else []
    return found


class Client:
    """One server over stdio."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.refreshed = 0.0
        self._id = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, command: Sequence[str], root: Path, environment: dict[str, str]) -> Client:
        """Start a server and let it initialize."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=2**28, env=environment
        )
        client = cls(process)
        folder = {"uri": root.as_uri(), "name": "root"}
        params = {"processId": os.getpid(), "rootUri": folder["uri"], "workspaceFolders": [folder]}
        await client.ask("initialize", {**params, "capabilities": CAPABILITIES})
        client.send({"method": "initialized", "params": {}})
        return client

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while header := await self.process.stdout.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = await self.process.stdout.readline()
            self._take(json.loads(await self.process.stdout.readexactly(length)))
        for future in self._waiting.values():
            future.set_exception(SystemExit("the server has ended"))

    def _take(self, message: Message) -> None:
        if "method" not in message:
            self._waiting.pop(message["id"]).set_result(message)
        elif "id" in message:
            items = message.get("params", {}).get("items", []) if message.get("params") else []
            result = [None] * len(items) if message["method"] == "workspace/configuration" else None
            self.send({"id": message["id"], "result": result})
            if message["method"].endswith("refresh"):
                self.refreshed = time.perf_counter()

    def send(self, message: Message) -> None:
        """Send one message."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def ask(self, method: str, params: Message | None) -> Any:
        """The result of a request; None for an error."""
        self._id += 1
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[self._id] = future
        self.send({"id": self._id, "method": method, "params": params})
        return (await asyncio.wait_for(future, 300)).get("result")

    async def stop(self) -> None:
        """Shut down, or kill what will not."""
        try:
            await asyncio.wait_for(self.ask("shutdown", None), 10)
            self.send({"method": "exit", "params": None})
            await asyncio.wait_for(self.process.wait(), 10)
        except (TimeoutError, asyncio.TimeoutError):
            self.process.kill()
            await self.process.wait()


class Sitting:
    """One file open in one server."""

    def __init__(self, client: Client, contender: Contender, file: Path, text: str) -> None:
        self.client = client
        self.method = contender.method
        self.uri = file.as_uri()
        self.lines = text.splitlines()
        self.version = 1
        document = {"uri": self.uri, "languageId": "python", "version": 1, "text": text}
        client.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    async def answer(self, first: int = 0, last: int | None = None) -> int:
        """How many items the server answers for some lines."""
        last = len(self.lines) if last is None else last
        where = {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}
        found = await self.client.ask(self.method, {"textDocument": {"uri": self.uri}, "range": where})
        return len(found) if isinstance(found, list) else len((found or {}).get("items", []))

    def type(self, line: int, text: str) -> None:
        """Write at the end of a line."""
        self.version += 1
        place = {"line": line, "character": len(self.lines[line])}
        document = {"uri": self.uri, "version": self.version}
        change = {"range": {"start": place, "end": place}, "text": text}
        params = {"textDocument": document, "contentChanges": [change]}
        self.client.send({"method": "textDocument/didChange", "params": params})
        self.lines[line] += text


def busy_line(lines: Sequence[str]) -> int:
    """A line that constructs something in a method in the middle of the file."""
    middle = len(lines) // 2
    return next(n for n in range(middle, len(lines)) if lines[n].startswith("        ") and "=" in lines[n])


async def until_hints(sitting: Sitting, seconds: float = 60) -> int:
    """Ask until there is something to show."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        found = await sitting.answer()
        if found or sitting.method != "textDocument/inlayHint":
            return found
        await asyncio.sleep(0.01)
    return 0


def milliseconds(times: Sequence[float]) -> str:
    ordered = sorted(1000 * time for time in times)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"median {statistics.median(ordered):7.1f} ms   p95 {p95:7.1f}   max {ordered[-1]:7.1f}"


async def measure(contender: Contender, file: Path, rounds: int, environment: dict[str, str]) -> None:
    """Print how long one server takes for everything."""
    if contender.name == "ruff":  # it looks at nothing in site-packages
        file = Path(shutil.copy(file, tempfile.mkdtemp(dir=environment["XDG_CACHE_HOME"])))
    started = time.perf_counter()
    client = await Client.start(contender.command, file.parent, environment)
    ready = time.perf_counter()
    sitting = Sitting(client, contender, file, file.read_text())
    items = await until_hints(sitting)
    opened = time.perf_counter()
    print(f"{contender.name:8} {contender.method.partition('/')[2]}, {items} items")
    print(f"  start {1000 * (ready - started):.0f} ms, open to first answer {1000 * (opened - ready):.0f} ms")
    await quiet(client)
    for what, ask in (("edit to answer", edits), ("scroll", scrolls)):
        before = processor_seconds(client)
        times = await ask(sitting, rounds)
        used = (processor_seconds(client) - before) / rounds
        print(f"  {what:16}  {milliseconds(times)}   processor {1000 * used:6.1f} ms each")
        await quiet(client)
    if contender.name == "bitlens":
        times = [await settled(sitting) for _ in range(5)]
        print(f"  edit to settled   {milliseconds(times)}")
    await client.stop()


def processor_seconds(client: Client) -> float:
    """What the server has computed so far, in all its threads; 0 where the system does not say."""
    stat = Path(f"/proc/{client.process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def edits(sitting: Sitting, rounds: int) -> list[float]:
    """Type a character and ask for the whole file, again and again."""
    line, times = busy_line(sitting.lines), []
    for number in range(rounds):
        sitting.type(line, f"  # {number}")
        asked = time.perf_counter()
        await sitting.answer()
        times.append(time.perf_counter() - asked)
        await asyncio.sleep(0.05)
    return times


async def scrolls(sitting: Sitting, rounds: int) -> list[float]:
    """Ask for sixty lines at a time."""
    times = []
    for number in range(rounds):
        first = number * 60 % max(1, len(sitting.lines) - 60)
        asked = time.perf_counter()
        await sitting.answer(first, first + 60)
        times.append(time.perf_counter() - asked)
    return times


async def settled(sitting: Sitting) -> float:
    """Seconds from an edit to the last refresh that it causes."""
    typed = time.perf_counter()
    sitting.type(busy_line(sitting.lines), " ")
    await sitting.answer()
    await quiet(sitting.client, least=2.0)
    return max(0.0, sitting.client.refreshed - typed)


async def quiet(client: Client, least: float = 1.0) -> None:
    """Until the server has refreshed nothing for a while."""
    begun = time.perf_counter()
    while time.perf_counter() - max(begun, client.refreshed) < least:
        await asyncio.sleep(0.05)


async def memory(files: Sequence[Path], environment: dict[str, str]) -> None:
    """Print the memory of our server with many files open, when all of them show their hints."""
    ours = contenders()[0]
    client = await Client.start(ours.command, files[0].parent, environment)
    for file in files:
        await until_hints(Sitting(client, ours, file, file.read_text()), seconds=10)
    await quiet(client, least=10.0)
    status = Path(f"/proc/{client.process.pid}/status")
    if status.exists():
        kilobytes = next(line.split()[1] for line in status.read_text().splitlines() if "VmRSS" in line)
        lines = sum(file.read_text().count("\n") for file in files)
        size = f"{int(kilobytes) / 1000:.0f} MB"
        print(f"memory of the server with {len(files)} files ({lines:,} lines) open: {size}")
    await client.stop()


def largest_files(count: int) -> list[Path]:
    """transformers' largest modeling files."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        raise SystemExit("this benchmark opens transformers' largest modeling file; pip install transformers")
    files = (Path(spec.origin).parent / "models").glob("*/modeling_*.py")
    return sorted(files, key=lambda path: -path.stat().st_size)[:count]


def main() -> None:
    """Measure every server, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--files", type=int, default=50, help="files open for the memory; 0 to leave it out")
    parser.add_argument("--skip", nargs="*", default=[], help="servers to leave out")
    arguments = parser.parse_args()
    file, *_ = files = largest_files(max(1, arguments.files))
    print(f"{file.name}, {file.read_text().count(chr(10)):,} lines; load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        for contender in contenders():
            if contender.name not in arguments.skip:
                asyncio.run(measure(contender, file, arguments.rounds, environment))
        if "bitlens" not in arguments.skip:
            print("again, with what was read from the sources kept on disk:")
            asyncio.run(measure(contenders()[0], file, arguments.rounds, environment))
        if arguments.files:
            asyncio.run(memory(files, environment))


if __name__ == "__main__":
    main()

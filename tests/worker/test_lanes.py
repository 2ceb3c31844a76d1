"""Work shared by processes: in order, the same whoever does it, and nothing lost or left when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from bitlens import schemes
from bitlens.client import Worker
from bitlens.worker import lanes, stored, stream
from bitlens.worker.passes import WHOLE
from bitlens.worker.wire import Event, Job
from safetensors.torch import save_file

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is forked")
HERE = os.getpid()


def children() -> set[int]:
    """Those of this process, also the ones that have ended and wait to be asked."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


@pytest.fixture(autouse=True)
def copies() -> Iterator[Callable[[], set[int]]]:
    """The children that a test has made and nobody has asked for their end; none is left running."""
    before = children()
    yield lambda: children() - before
    deadline = time.monotonic() + 60
    while children() - before and time.monotonic() < deadline:
        for child in children() - before:
            os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    assert children() <= before


def slowly(number: int) -> tuple[int, int]:
    time.sleep(0.01)
    return number * number, os.getpid()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_results_come_in_order_from_every_process(count: int) -> None:
    found = list(lanes.shared(slowly, 50, count))
    assert [square for square, _ in found] == [number * number for number in range(50)]
    assert len({process for _, process in found}) == count


def killed(number: int) -> int:
    if number > 2 and os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    return slowly(number)[0]


def refused(number: int) -> int:
    if number > 2 and os.getpid() != HERE:
        raise MemoryError
    return slowly(number)[0]


def hanging(number: int) -> int:
    if number > 2 and os.getpid() != HERE:
        time.sleep(600)
    return slowly(number)[0]


@pytest.mark.parametrize("work", [killed, refused, hanging])
def test_what_a_copy_does_not_finish_is_done_here(work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE", 0.3)
    assert list(lanes.shared(work, 20, 3)) == [number * number for number in range(20)]


@pytest.mark.parametrize("name", ["fork", "open"])
def test_where_the_system_refuses_all_is_done_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, name, refuse)
    assert [square for square, _ in lanes.shared(slowly, 5, 3)] == [0, 1, 4, 9, 16]


def test_a_failure_here_is_raised_once_it_fails_without_copies_too(
    copies: Callable[[], set[int]],
) -> None:
    alone: list[bool] = []

    def work(number: int) -> int:
        if os.getpid() == HERE:
            alone.append(not copies())
            raise ValueError(number)
        return slowly(number)[0]

    with pytest.raises(ValueError, match=r"\d"):
        list(lanes.shared(work, 20, 2))
    assert alone == [False, True]


def test_who_stops_listening_ends_the_copies() -> None:
    with closing(lanes.shared(slowly, 10_000, 3)) as found:
        assert next(found)[0] == 0


def test_copies_share_the_limit_of_memory() -> None:
    program = """
import os, resource, time
from bitlens.worker import lanes, limits
import torch
resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 16 << 30))
before = limits.room()
def work(number):
    time.sleep(0.05)
    return limits.room(), os.getpid()
rooms = {process: room for room, process in lanes.shared(work, 30, 3)}
assert len(rooms) == 3 and before / 2 < sum(rooms.values()) <= before, (rooms, before)
assert resource.getrlimit(resource.RLIMIT_DATA) == (8 << 30, 16 << 30)
torch.set_num_threads(8)
assert lanes.usable(limits.room() // 3) == 3 and lanes.usable(1 << 40) == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    sizes = {"embed": (3000, 128), "up": (256, 1000), "down": (128, 256), "tiny": (7, 33)}
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    weights = {f"{name}.weight": torch.randn(shape).bfloat16() for name, shape in sizes.items()}
    weights["huge.weight"] = weights["up.weight"] * 2.0**70
    save_file(weights, path)
    return path


def test_a_report_is_the_same_whoever_measures(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WORTH_A_FORK", 0)
    monkeypatch.setattr(stream, "UNDIVIDED", 100_000)
    job = Job("checkpoint", schemes.all_ids(), "cpu", file=str(checkpoint), name="net", histograms=True)
    before = torch.get_num_threads()
    reports: list[list[Event]] = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            torch.randn(300, 300) @ torch.randn(300, 300)  # threads of torch's that a copy does not have
            reports.append([])
            stored.measure(job, stream.Stream(job, reports[-1].append), "cpu")
    finally:
        torch.set_num_threads(before)
    assert reports[0] == reports[1] == reports[2]


def test_what_needs_a_whole_weight_is_prepared_by_one_process() -> None:
    chosen = [schemes.get(id) for id in ("quanto.qint8", "hqq.int4_g64", "bitsandbytes.nf4_double")]
    pieces = stream._divided({("weight", 0): chosen}, 3)
    shares = {scheme.id: [share for of, share, _ in pieces if scheme in of["weight", 0]] for scheme in chosen}
    assert shares == {
        "quanto.qint8": [(0, 3), (1, 3), (2, 3)],
        "hqq.int4_g64": [WHOLE],
        "bitsandbytes.nf4_double": [WHOLE],
    }


def test_copies_end_with_their_job(tmp_path: Path) -> None:
    text = """
import torch
torch.set_num_threads(3)
model = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(50)))
"""
    job = Job("program", ("hqq.int4_g64",), "cpu", file=str(tmp_path / "net.py"), text=text, target="model")
    with closing(Worker(sys.executable, 60)) as worker:
        events = worker.run(job)
        assert any(event["event"] == "layer" for event in events)
        assert worker._process is not None
        group = worker._process.pid
        assert len(_group(group)) == 2 + 2
    deadline = time.monotonic() + 60
    while _group(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group(group)


def _group(number: int) -> list[str]:
    """Processes of a group that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == number and state != "Z":
            found.append(path.parent.name)
    return found

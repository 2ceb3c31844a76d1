"""A worker that builds, hangs, dies, floods or is refused: one job, clear events, nothing left behind."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from bitlens.client import State, Worker
from bitlens.worker.wire import Event, Job

GB = 10**9


def run(
    tmp_path: Path, text: str, *, target: str = "model", time_limit: float = 60, **job: object
) -> list[Event]:
    file = tmp_path / "net.py"
    file.write_text(dedent(text))
    with closing(Worker(sys.executable, time_limit)) as worker:
        return list(
            worker.run(
                Job("program", file=str(file), text=dedent(text), target=target, name=target, **job)  # type: ignore[arg-type]
            )
        )


def problem(events: list[Event]) -> Event:
    found = [event for event in events if event["event"] == "problem"]
    assert len(found) == 1, events
    assert events[-1]["event"] == "done"
    return found[0]


NET = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(8, 16),
                nn.Linear(16, 8),
            )
            self.tied = nn.Linear(16, 8, bias=False)
            self.tied.weight = self.body[1].weight
            self.register_buffer("mean", torch.zeros(3))

    model = Net()
"""


def test_a_model_arrives_layer_by_layer_with_the_lines_that_made_it(tmp_path: Path) -> None:
    events = run(tmp_path, NET)
    assert [event["event"] for event in events] == [
        "environment", "model", "layer", "layer", "layer", "layer", "lines", "totals", "done",
    ]  # fmt: skip
    layers = {event["path"]: event for event in events if event["event"] == "layer"}
    assert layers["body.0"]["line"] == 10
    assert layers["body.1"]["line"] == 11
    assert layers["body.1"]["bytes"] == (16 * 8 + 8) * 4
    assert layers["tied"]["bytes"] == 0
    assert layers["tied"]["tensors"][0]["tied_to"] == "body.1.weight"
    assert layers[""]["buffer_bytes"] == 12
    sequential = next(line for line in events[-3]["lines"] if line["line"] == 9)
    assert sequential["paths"] == ["body"]
    assert sequential["parameters"] == 8 * 16 + 16 + 16 * 8 + 8


def test_two_jobs_share_one_process_but_no_state(tmp_path: Path) -> None:
    file = str(tmp_path / "net.py")
    half = "import torch\ntorch.set_default_dtype(torch.float16)\nmodel = torch.nn.Linear(2, 2)\n"
    full = "import torch\nmodel = torch.nn.Linear(2, 2)\n"
    with closing(Worker(sys.executable, 60)) as worker:
        dtypes = [
            [
                e["dtype"]
                for e in worker.run(Job("program", file=file, text=t, target="model"))
                if e["event"] == "layer"
            ]
            for t in (half, full)
        ]
    assert dtypes == [["float16"], ["float32"]]


def test_what_the_program_prints_does_not_disturb_the_events(tmp_path: Path) -> None:
    events = run(
        tmp_path, NET + "    import os\n    os.write(1, b'x' * 300_000)\n    print('{\"event\": \"done\"}')\n"
    )
    assert sum(event["event"] == "layer" for event in events) == 4


def test_an_endless_program_is_stopped_with_everything_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(pid)!r}, "w").write(str(child.pid))
        while True:
            pass
    """
    found = problem(run(tmp_path, text, time_limit=4))
    assert found["code"] == "time-limit"
    assert "4 s" in found["message"]
    deadline = time.monotonic() + 60
    while _running(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(int(pid.read_text()))


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("text", "code", "words", "line"),
    [
        ("import no_such_module_at_all\nmodel = 1\n", "import-failed", "no_such_module_at_all", 1),
        ("import torch\n\nmodel = torch.nn.Linear(-1, 2)\n", "program-raised", "RuntimeError", 3),
        ("model = 3\n", "not-a-model", "int", None),
        ("import sys\nsys.exit(3)\n", "program-raised", "SystemExit", 2),
        ("import os\nos._exit(3)\n", "worker-died", "status 3", None),
        ("import ctypes\nctypes.string_at(0)\n", "worker-died", "SIGSEGV", None),
        ("model = input('which?')\n", "program-raised", "EOFError", 1),
        (
            "import urllib.request as r\nmodel = r.urlopen('http://example.org')\n",
            "network-off",
            "--allow-network",
            2,
        ),
        (
            "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('org/no-such-model')\n",
            "not-in-cache",
            "--allow-network",
            2,
        ),
        ("model = bytearray(10**12)\n", "memory-limit", "--memory-limit", 1),
        ("model = (\n", "syntax-error", "closed", 1),
    ],
)
def test_a_failure_is_one_problem_with_its_line(
    tmp_path: Path, text: str, code: str, words: str, line: int | None
) -> None:
    found = problem(run(tmp_path, text, memory_limit=8 * GB))
    assert (found["code"], found["line"]) == (code, line)
    assert words in found["message"]


def test_a_model_too_large_for_the_limit_is_measured_from_shapes(tmp_path: Path) -> None:
    text = "from torch import nn\nmodel = nn.Linear(1 << 20, 1 << 18, bias=False)\n"
    events = run(tmp_path, text, memory_limit=8 * GB)
    head = next(event for event in events if event["event"] == "model")
    assert head["weights"] == "shapes"
    layer = next(event for event in events if event["event"] == "layer")
    assert layer["bytes"] == 4 << 38
    assert layer["line"] == 2


def test_values_of_a_state_dict_are_measured_on_meta_too(tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    torch.save(torch.nn.Linear(64, 64).state_dict(), weights)
    text = f"""
        import torch
        model = torch.nn.Linear(64, 64)
        model.load_state_dict(torch.load({str(weights)!r}))
        model = model.bfloat16()
    """
    schemes = ("int8.symmetric.channel",)
    shown = {}
    for device in ("cpu", "meta"):
        events = run(tmp_path, text, device=device, schemes=schemes)
        head = next(event for event in events if event["event"] == "model")
        assert (head["weights"], head["weights_from"]) == ("checkpoint", str(weights))
        shown[device] = next(event["schemes"] for event in events if event["event"] == "layer")
    assert shown["cpu"] == shown["meta"]


class _Evil:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.marker,))


def test_a_pickle_with_code_is_refused_though_the_program_trusts_it(tmp_path: Path) -> None:
    marker, weights = tmp_path / "ran", tmp_path / "evil.pt"
    weights.write_bytes(pickle.dumps(_Evil(str(marker))))
    text = f"""
        import torch
        model = torch.nn.Linear(1, 1)
        model.load_state_dict(torch.load({str(weights)!r}, weights_only=False))
    """
    found = problem(run(tmp_path, text))
    assert found["code"] == "unsafe-pickle"
    assert str(weights) in found["message"]
    assert not marker.exists()


def test_cuda_calls_of_the_program_are_said_not_fatal(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    events = run(tmp_path, "import torch\nmodel = torch.nn.Linear(2, 2).cuda().to('cuda:0').half()\n")
    head = next(event for event in events if event["event"] == "model")
    assert "GPU" in head["notes"][0]
    assert next(event["dtype"] for event in events if event["event"] == "layer") == "float16"


def test_a_neighbour_and_a_relative_import_are_found(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text("from torch import nn\n\ndef head():\n    return nn.Linear(3, 4)\n")
    text = "from .parts import head\nmodel = head()\n"
    job = Job("program", file=str(package / "net.py"), text=text, target="model")
    with closing(Worker(sys.executable, 60)) as worker:
        head = next(event for event in worker.run(job) if event["event"] == "layer")
    assert (head["file"], head["line"]) == (str(package / "parts.py"), 4)


def test_kill_from_another_thread_ends_a_job(tmp_path: Path) -> None:
    worker = Worker(sys.executable, 60)
    threading.Timer(1.0, worker.kill).start()
    events = list(
        worker.run(Job("program", file=str(tmp_path / "n.py"), text="while True: pass\n", target="model"))
    )
    assert problem(events)["message"] == "the measurement was cancelled"
    assert worker.state is State.DEAD


def test_an_interpreter_that_is_none_is_said() -> None:
    with closing(Worker("/no/such/python", 5)) as worker:
        found = problem(list(worker.run(Job("environment"))))
    assert found["code"] == "interpreter"
    assert "--python" in found["message"]


def test_an_interpreter_without_torch_is_said(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    script.chmod(0o755)
    with closing(Worker(str(script), 30)) as worker:
        found = problem(list(worker.run(Job("environment"))))
    assert found["code"] == "import-failed"
    assert "torch" in found["message"]

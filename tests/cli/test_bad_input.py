"""Every bad input ends in one clear message with its place and exit 2: never a traceback, never a hang."""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Ran = subprocess.CompletedProcess[str]


def analyze(target: str, *options: str, cwd: Path, **environment: str) -> Ran:
    """`bitlens analyze` as a process in `cwd`."""
    command = [sys.executable, "-m", "bitlens", "analyze", target, *options]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=variables, timeout=180)


def refused(ran: Ran, *words: str) -> None:
    """The run gave no answer, said why, and showed no inside of Python."""
    assert ran.returncode == 2, ran
    assert "Traceback" not in ran.stderr
    assert "internal error" not in ran.stderr
    for word in words:
        assert word in ran.stderr, ran.stderr


def program(folder: Path, text: str) -> str:
    (folder / "net.py").write_text(dedent(text), "utf-8")
    return "net.py"


def test_syntax_error(tmp_path: Path) -> None:
    refused(analyze(program(tmp_path, "import torch\nnet = torch.nn.Linear(1,\n"), cwd=tmp_path), "net.py:2")


@pytest.mark.parametrize("how", ["--static", "--scheme=float16"])
def test_a_syntax_error_elsewhere(tmp_path: Path, how: str) -> None:
    """What can be read is answered; what cannot is told."""
    net = program(tmp_path, "import torch\nnet = torch.nn.Linear(2, 3)\n\ndef f(:\n    pass\n")
    ran = analyze(net, how, "--format", "json", cwd=tmp_path)
    document = json.loads(ran.stdout)
    assert (ran.returncode, [model["parameters"] for model in document["models"]]) == (0, [9])
    (problem,) = document["problems"]
    assert (problem["code"], problem["severity"]) == ("syntax-error", "warning")
    assert (problem["file"], problem["line"]) == ("net.py", 4)


@pytest.mark.parametrize("how", ["--static", "--scheme=float16"])
def test_nested_too_deeply(tmp_path: Path, how: str) -> None:
    net = program(tmp_path, f"import torch\nnet = {'print(' * 150}torch.nn.Linear(2, 3){')' * 150}\n")
    ran = analyze(net, how, cwd=tmp_path)
    refused(ran, "net.py:2:1: statement is nested too deeply")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="This Python reads it")
def test_syntax_of_a_newer_python(tmp_path: Path) -> None:
    net = program(tmp_path, "import torch\nclass Net[T](torch.nn.Linear):\n    pass\nnet = Net(2, 3)\n")
    version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    refused(analyze(net, cwd=tmp_path), "net.py:2", version, sys.executable, "--python")


def test_no_model(tmp_path: Path) -> None:
    refused(analyze(program(tmp_path, "print('no model here')\n"), cwd=tmp_path), "net.py", "model")


def test_an_empty_file(tmp_path: Path) -> None:
    refused(analyze(program(tmp_path, ""), cwd=tmp_path), "net.py")


def test_an_empty_folder(tmp_path: Path) -> None:
    refused(analyze(".", cwd=tmp_path), "no model")


def test_one_file_of_a_folder(tmp_path: Path) -> None:
    program(tmp_path, "import torch\nnet = torch.nn.Linear(2, 3)\n")
    (tmp_path / "bare.py").write_text("import torch\n")
    ran = analyze(".", "--model", "net", "--format", "json", cwd=tmp_path)
    assert (ran.returncode, json.loads(ran.stdout)["problems"]) == (0, [])
    (tmp_path / "latin.py").write_bytes(b"import torch  # caf\xe9\n")
    ran = analyze(".", "--format", "json", cwd=tmp_path)
    document = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert [model["parameters"] for model in document["models"]] == [9]
    assert [problem["file"] for problem in document["problems"]] == ["latin.py"]


def test_no_such_model(tmp_path: Path) -> None:
    net = program(tmp_path, "import torch\nnet = torch.nn.Linear(1, 1)\n")
    refused(analyze(net, "--model", "student", cwd=tmp_path), "student", "net")


def test_import_that_fails(tmp_path: Path) -> None:
    net = program(
        tmp_path, "import torch\nimport not_installed_anywhere as nia\nnet = torch.nn.Linear(nia.WIDTH, 1)\n"
    )
    refused(analyze(net, cwd=tmp_path), "net.py:2", "not_installed_anywhere")


def test_constructor_that_raises(tmp_path: Path) -> None:
    net = program(
        tmp_path,
        """\
        import torch

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                raise ValueError("width is missing")

        net = Net()
        """,
    )
    refused(analyze(net, cwd=tmp_path), "net.py:6", "width is missing")


def test_infinite_loop(tmp_path: Path) -> None:
    net = program(
        tmp_path,
        """\
        import torch

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                while True:
                    pass

        net = Net()
        """,
    )
    refused(analyze(net, "--time-limit", "8s", cwd=tmp_path), "net.py", "8 s", "--time-limit")


def test_a_terabyte(tmp_path: Path) -> None:
    net = program(
        tmp_path,
        """\
        import torch

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.block = bytearray(10**12)
                self.layer = torch.nn.Linear(1, 1)

        net = Net()
        """,
    )
    refused(analyze(net, "--memory-limit", "4GB", cwd=tmp_path), "net.py:6", "--memory-limit")


def safetensors(header: dict[str, object], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        safetensors({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"\0" * 8),
        safetensors({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 16]}}, b"\0" * 16),
    ],
    ids=["no-header", "truncated", "lying"],
)
def test_safetensors_that_lie(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    refused(analyze("model.safetensors", cwd=tmp_path), "model.safetensors")


@pytest.mark.parametrize(
    "content", [b"GGUF", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0)], ids=["truncated", "lying"]
)
def test_gguf_that_lies(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    refused(analyze("model.gguf", cwd=tmp_path), "model.gguf")


def test_a_pickle_with_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"

    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {marker}",)

    (tmp_path / "weights.pt").write_bytes(pickle.dumps({"layer.weight": Code()}))
    refused(analyze("weights.pt", cwd=tmp_path), "weights.pt")
    assert not marker.exists()


def test_an_interpreter_without_torch(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    net = program(tmp_path, "import torch\nnet = torch.nn.Linear(1, 1)\n")
    refused(analyze(net, "--python", str(python), cwd=tmp_path), str(python), "torch", "--python")


def test_an_interpreter_that_is_none(tmp_path: Path) -> None:
    net = program(tmp_path, "import torch\nnet = torch.nn.Linear(1, 1)\n")
    refused(analyze(net, "--python", "no/such/python", cwd=tmp_path), "no/such/python")


def test_a_hub_id_that_is_not_cached(tmp_path: Path) -> None:
    refused(analyze("nobody/nothing", cwd=tmp_path, HF_HOME=str(tmp_path)), "nobody/nothing", "hf download")


def test_static_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    net = program(tmp_path, f"import torch\nopen({str(marker)!r}, 'w')\nnet = torch.nn.Linear(1, 1)\n")
    assert analyze(net, "--static", cwd=tmp_path).returncode == 0
    assert not marker.exists()


def test_ctrl_c_ends_the_worker_too(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    net = program(
        tmp_path,
        f"""\
        import os
        import time
        import torch

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.file = os.open({str(mark)!r}, os.O_CREAT | os.O_WRONLY)
                self.written = os.write(self.file, str(os.getpid()).encode())
                self.slept = time.sleep(600)

        net = Net()
        """,
    )
    command = [sys.executable, "-m", "bitlens", "analyze", net]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    until(lambda: process.poll() is not None or (mark.exists() and mark.read_text() != ""))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    refused(subprocess.CompletedProcess(command, process.returncode, out, err), "interrupted")
    until(lambda: not alive(int(mark.read_text())))


def heed_ctrl_c() -> None:
    """A shell's background jobs, and what they start, ignore Ctrl-C unless told otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Wait for what must happen soon; fail if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

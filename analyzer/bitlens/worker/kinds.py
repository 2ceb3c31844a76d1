"""One function per kind of job."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bitlens.worker import live, load, patches, stored, trace
from bitlens.worker.failure import Refused, is_out_of_memory
from bitlens.worker.loads import Loads
from bitlens.worker.stream import Stream
from bitlens.worker.wire import Event, Job

LIBRARIES = (
    "transformers",
    "optimum-quanto",
    "torchao",
    "bitsandbytes",
    "hqq",
    "gguf",
    "safetensors",
    "accelerate",
)
"""Distributions whose presence changes what can be built or what a number is compared with."""


class _TooLarge(Exception):
    """The model does not fit in memory; nothing was sent yet."""


def run(job: Job, send: Callable[[Event], None]) -> bool:
    """Do the job; False (and nothing sent) if its model does not fit and device `meta` should be tried."""
    try:
        KINDS[job.kind](job, send)
    except _TooLarge:
        return False
    return True


def environment(job: Job, send: Callable[[Event], None]) -> None:
    """Say what this interpreter has."""
    send({**_environment(job), "libraries": {name: _version(name) for name in LIBRARIES}})


def program(job: Job, send: Callable[[Event], None]) -> None:
    """Build the model of a slice and measure it; on `meta`, from shapes and what checkpoints hold."""
    loads = Loads()
    patches.install(loads, meta=job.device == "meta")
    if job.device == "meta":
        loads.note("built on the meta device, without memory for its weights")
    torch.manual_seed(0)  # initial weights, and so their errors, are the same in every run
    with trace.constructions() as seen, _meta(job.device == "meta"):
        model = _build_or_give_up(job)
    send(_environment(job))
    with _own_failures():
        live.measure(model, Stream(job, send), seen, loads, measuring_device(job.device))


def checkpoint(job: Job, send: Callable[[Event], None]) -> None:
    """Stream a checkpoint tensor by tensor."""
    send(_environment(job))
    with _own_failures():
        stored.measure(job, Stream(job, send), measuring_device(job.device))


KINDS: dict[str, Callable[[Job, Callable[[Event], None]], None]] = {
    "environment": environment,
    "program": program,
    "checkpoint": checkpoint,
}


def _build_or_give_up(job: Job) -> torch.nn.Module:
    try:
        return load.build(job)
    except Exception as error:
        if job.device == "auto" and is_out_of_memory(error):
            raise _TooLarge from None
        raise


@contextlib.contextmanager
def _own_failures() -> Iterator[None]:
    """After the build an exception is no longer the program's."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise Refused(
            "measuring-failed",
            f"measuring raised {type(error).__name__}: {error} ({at.name}, line {at.lineno}); "
            "this is a fault of bitlens, please report it",
        ) from error


def _meta(wanted: bool) -> contextlib.AbstractContextManager[Any]:
    return torch.device("meta") if wanted else contextlib.nullcontext()


def _environment(job: Job) -> Event:
    device = measuring_device(job.device)
    return {
        "event": "environment",
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": torch.__version__,
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "device_memory": _memory(device),
    }


def measuring_device(wanted: str) -> str:
    """The device on which weights are measured: `auto` is the GPU where there is one."""
    return "cuda" if wanted in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


def _memory(device: str) -> int | None:
    """Bytes of the GPU, or of the machine; None where the system does not tell."""
    if device == "cuda":
        return int(torch.cuda.get_device_properties().total_memory)
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _processor() -> str | None:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None

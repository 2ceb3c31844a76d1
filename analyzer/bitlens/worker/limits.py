"""The fences around a user's program: memory, network, threads, interaction."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, Callable

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
}
QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "MPLBACKEND": "Agg",
    "WANDB_MODE": "disabled",
}


class NetworkOff(PermissionError):
    """Raised inside a user's program that opens a connection while the network is off."""


class MemoryLimit(MemoryError):
    """Raised where the worker itself sees that a limit would be passed."""


def prepare_environment() -> None:
    """Set what libraries read at import: no progress bars, no questions, no display."""
    os.environ.update(QUIET)


def apply(memory_limit: int, allow_network: bool) -> None:
    """Fence this process in. Not reversible."""
    if not allow_network:
        os.environ.update(OFFLINE)
        sys.addaudithook(_refuse_network)
    if memory_limit:
        _limit_memory(memory_limit)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "localhost"):
        raise NetworkOff(
            f"the program asked for {arguments[0]!r} but the network is off (--allow-network opens it)"
        )
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _loopback(str(arguments[1][0])):
        raise NetworkOff(
            f"the program connects to {arguments[1][0]} but the network is off (--allow-network opens it)"
        )


def _loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "localhost")


def _limit_memory(size: int) -> None:
    """RLIMIT_DATA counts real allocations, not the address space that CUDA reserves."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if hard < 0 else min(size, hard), hard))


def room() -> int | None:
    """Bytes that the limit leaves this process to allocate; None where there is no limit."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft < 0 else max(0, soft - _allocated())


def divide(parts: int) -> Callable[[], None]:
    """Leave this process, and so its copies, one of so many parts of its room; call the result to undo."""
    free = room()
    if free is None:
        return lambda: None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (soft - free + free // parts, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _allocated() -> int:
    """What RLIMIT_DATA counts, where the system tells."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0

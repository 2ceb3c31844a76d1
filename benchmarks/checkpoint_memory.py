"""Peak memory of measuring a large safetensors file, next to its largest tensor.

    python benchmarks/checkpoint_memory.py FOLDER [--gigabytes 4]

Writes a file of that size into FOLDER in chunks, measures it under the default schemes as the worker does, in
a fresh process, prints one table and removes the file. Linux: the peak is VmHWM, which counts mapped file
pages too.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HIDDEN = 4096
EMBEDDING = 32_000
CHUNK = os.urandom(1 << 24)


def shapes(size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names and shapes of a Llama-like model: an embedding and as many square layers as fit in `size`."""
    yield "model.embed_tokens.weight", (EMBEDDING, HIDDEN)
    left = size - EMBEDDING * HIDDEN * 4
    for number in range(left // (HIDDEN * HIDDEN * 4)):
        yield f"model.layers.{number}.self_attn.q_proj.weight", (HIDDEN, HIDDEN)


def write(path: Path, size: int) -> None:
    """A safetensors file of float32 tensors, never more than one chunk of it in memory."""
    header, end = {}, 0
    for name, shape in shapes(size):
        start, end = end, end + shape[0] * shape[1] * 4
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, end, len(CHUNK)):
            file.write(CHUNK[: end - start])


def memory(field: str) -> int:
    """Bytes that /proc/self/status gives for VmHWM (peak) or VmRSS (now)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) * 1024


def measure(path: str) -> None:
    """Do the worker's job on a checkpoint and print what it took, as JSON. Runs in a process of its own."""
    from bitlens.schemes import DEFAULT_IDS
    from bitlens.worker import kinds
    from bitlens.worker.wire import Job

    layers: list[int] = []
    before = memory("VmRSS")
    started = time.perf_counter()
    kinds.checkpoint(
        Job("checkpoint", DEFAULT_IDS, "cpu", file=path, name="benchmark"),
        lambda event: layers.append(event["bytes"]) if event["event"] == "layer" else None,
    )
    seconds = time.perf_counter() - started
    print(json.dumps({"before": before, "peak": memory("VmHWM"), "sizes": layers, "seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(str(options.folder))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "model.safetensors")
        write(path, int(options.gigabytes * 2**30))
        command = [sys.executable, __file__, str(path), "--measure"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    report(found)


def report(found: dict[str, Any]) -> None:
    largest, grown = max(found["sizes"]), found["peak"] - found["before"]
    rows = {
        "file": sum(found["sizes"]),
        "largest tensor": largest,
        "process before (Python and torch)": found["before"],
        "peak of the measurement": found["peak"],
        "peak beyond the process before": grown,
    }
    for name, size in rows.items():
        print(f"{name:36}{size / 2**20:10.1f} MiB")
    print(f"{'peak beyond / largest tensor':36}{grown / largest:10.2f}")
    print(f"{'time of the measurement':36}{found['seconds']:10.1f} s")


if __name__ == "__main__":
    main()

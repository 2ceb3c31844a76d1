"""Peak memory of measuring a large checkpoint of safetensors files, next to its largest tensor.

    python benchmarks/checkpoint_memory.py FOLDER [--gigabytes 4] [--shards 1] [--sparse]

Writes a checkpoint of that size into FOLDER, in so many files with their index, measures it under the default
schemes as the worker does, in a fresh process, prints one table and removes it. --sparse writes headers only:
the weights are zeros that take no disk, read like others. Linux: the peak is VmHWM, which counts mapped file
pages too.
"""

from __future__ import annotations

import argparse
import array
import json
import random
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
CHUNK = array.array("f", (random.gauss(0, 0.02) for _ in range(1 << 20))).tobytes()


def shapes(size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names and shapes of a Llama-like model: an embedding and as many square layers as fit in `size`."""
    yield "model.embed_tokens.weight", (EMBEDDING, HIDDEN)
    left = size - EMBEDDING * HIDDEN * 4
    for number in range(left // (HIDDEN * HIDDEN * 4)):
        yield f"model.layers.{number}.self_attn.q_proj.weight", (HIDDEN, HIDDEN)


def write_checkpoint(folder: Path, size: int, shards: int, sparse: bool) -> None:
    """Tensors of `size` bytes together, dealt out to the shards in turn, and the index of shards."""
    tensors = list(shapes(size))
    index = {}
    for number in range(shards):
        name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = dict(tensors[number::shards])
        write(folder / name, part, sparse)
        index.update(dict.fromkeys(part, name))
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)


def write(path: Path, tensors: dict[str, tuple[int, int]], sparse: bool) -> None:
    """A safetensors file of float32 tensors, never more than one chunk of it in memory."""
    header, end = {}, 0
    for name, shape in tensors.items():
        start, end = end, end + shape[0] * shape[1] * 4
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        if sparse:
            file.truncate(8 + len(text) + end)
            return
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
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(str(options.folder))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_checkpoint(Path(folder), int(options.gigabytes * 1e9), options.shards, options.sparse)
        command = [sys.executable, __file__, folder, "--measure"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    report(found)


def report(found: dict[str, Any]) -> None:
    largest, grown = max(found["sizes"]), found["peak"] - found["before"]
    rows = {
        "checkpoint": sum(found["sizes"]),
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

"""Peak memory of `bitlens analyze` over a large checkpoint of safetensors files, all its processes together.

    python benchmarks/checkpoint_memory.py FOLDER [--gigabytes 4] [--shards 1] [--dtype BF16] [--filled 0.1]

Writes a checkpoint of that size into FOLDER, in so many files with their index, measures it under the default
schemes, prints one table and removes it. With --filled less than 1 only that part of each file is random
weights; the rest is zeros that take no disk, read like others. Linux: memory is the proportional set size,
with the pages of mapped files; a page that some processes share counts once.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HIDDEN = 4096
EMBEDDING = 32_000
ITEM_BYTES = {"F32": 4, "BF16": 2}
BETWEEN_LOOKS = 0.2
"""Seconds."""
CHUNK = array.array("f", (random.gauss(0, 0.02) for _ in range(1 << 20))).tobytes()


def shapes(size: int, item: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names and shapes of a Llama-like model: an embedding and as many square layers as fit in `size`."""
    yield "model.embed_tokens.weight", (EMBEDDING, HIDDEN)
    left = size - EMBEDDING * HIDDEN * item
    for number in range(left // (HIDDEN * HIDDEN * item)):
        yield f"model.layers.{number}.self_attn.q_proj.weight", (HIDDEN, HIDDEN)


def write_checkpoint(folder: Path, size: int, shards: int, dtype: str, filled: float) -> int:
    """Tensors of `size` bytes together, dealt out to the shards, and their index; bytes of the largest."""
    tensors = list(shapes(size, ITEM_BYTES[dtype]))
    index = {}
    for number in range(shards):
        name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = dict(tensors[number::shards])
        write(folder / name, part, dtype, filled)
        index.update(dict.fromkeys(part, name))
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)
    return max(rows * columns for _, (rows, columns) in tensors) * ITEM_BYTES[dtype]


def write(path: Path, tensors: dict[str, tuple[int, int]], dtype: str, filled: float) -> None:
    """A safetensors file, never more than one chunk of it in memory."""
    header, end = {}, 0
    for name, shape in tensors.items():
        start, end = end, end + shape[0] * shape[1] * ITEM_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    chunk = CHUNK if dtype == "F32" else array.array("H", CHUNK)[1::2].tobytes()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, int(end * filled), len(chunk)):
            file.write(chunk[: end - start])
        file.truncate(8 + len(text) + end)


def below(process: int) -> Iterator[int]:
    """A process and all that it started."""
    yield process
    with suppress(OSError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            yield from below(int(child))


def together(process: int) -> int:
    """Bytes of memory that a process and all that it started take."""
    size = 0
    for one in below(process):
        with suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            size += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return size


def busy(process: int) -> float:
    """Seconds of processor time that a process has taken so far."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def measure(folder: str) -> dict[str, float]:
    """What `bitlens analyze` takes: bytes at its peak, seconds by clock and of processors, most processes."""
    command = [sys.executable, "-m", "bitlens", "analyze", folder, "--no-cache", "--device", "cpu"]
    started, peak, most = time.perf_counter(), 0, 0
    processor: dict[int, float] = {}
    with tempfile.TemporaryFile() as output:
        running = subprocess.Popen([*command, "--time-limit", "0"], stdout=output)
        while running.poll() is None:
            peak, most = max(peak, together(running.pid)), max(most, len(list(below(running.pid))))
            processor.update((one, max(busy(one), processor.get(one, 0.0))) for one in below(running.pid))
            time.sleep(BETWEEN_LOOKS)
        output.seek(0)
        print(output.read().decode()[-1500:])
    if running.returncode:
        sys.exit(f"bitlens analyze ended with {running.returncode}")
    return {
        "peak": peak,
        "clock": time.perf_counter() - started,
        "processor": sum(processor.values()),
        "processes": most,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--dtype", choices=ITEM_BYTES, default="F32")
    parser.add_argument("--filled", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        size = int(options.gigabytes * 1e9)
        largest = write_checkpoint(Path(folder), size, options.shards, options.dtype, options.filled)
        found = measure(folder)
    print(f"{'checkpoint':36}{size / 2**20:10.1f} MiB")
    print(f"{'largest tensor':36}{largest / 2**20:10.1f} MiB")
    print(f"{'peak of all processes':36}{found['peak'] / 2**20:10.1f} MiB")
    print(f"{'most processes at once':36}{found['processes']:10}")
    print(f"{'time by the clock':36}{found['clock']:10.1f} s")
    print(f"{'time of processors':36}{found['processor']:10.1f} s")


if __name__ == "__main__":
    main()

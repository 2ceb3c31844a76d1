"""The fused kernels: their arithmetic in Triton's interpreter, their code for a GPU that is not there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from bitlens import schemes
from bitlens.worker.kernels.fused import FusedKernels
from bitlens.worker.kernels.plan import geometry, launches
from hypothesis import example, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
DEVICE = "bitlens.worker.kernels.device"
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


def run(*command: str, **environment: str) -> None:
    ran = subprocess.run(
        [sys.executable, *command], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-3000:]


@needs_triton
def test_in_the_interpreter_kernels_find_what_schemes_find() -> None:
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "interpreted.py"), TRITON_INTERPRET="1")


@needs_triton
def test_every_formula_compiles_for_a_gpu_and_keeps_to_its_registers(tmp_path: Path) -> None:
    """triton brings NVIDIA's assembler along: no GPU is needed."""
    run(str(HERE / "compiled.py"), TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))


def test_a_product_with_the_reciprocal_rounds_to_the_bfloat16_quotient() -> None:
    """What `arithmetic.quotient` rests on: of all pairs of significands, for a reciprocal two units off."""
    significands = torch.arange(128, 256, dtype=torch.float32)
    x, divisor = significands[:, None], significands[None, :]
    exact = (x.double() / divisor.double()).float().bfloat16()
    for units in range(-2, 3):
        reciprocal = ((1 / divisor).view(torch.int32) + units).view(torch.float32)
        assert torch.equal((x * reciprocal).bfloat16(), exact)
        assert torch.equal((x / divisor).bfloat16(), exact)


def test_formats_share_a_launch() -> None:
    chosen = [schemes.get(id) for id in ("quanto.qint8", "quanto.qint4", "bitsandbytes.nf4", "float16")]
    assert [len(launch.tasks) for launch in launches((64, 256), "bfloat16", chosen)] == [4]


@example(shape=(4, 192), chosen=["int4.symmetric.g128", "quanto.qint4"])
@settings(max_examples=200, deadline=None)
@given(
    shape=st.lists(st.integers(1, 400), min_size=1, max_size=3).map(tuple),
    chosen=st.lists(st.sampled_from(schemes.all_ids()), min_size=1, max_size=12, unique=True),
)
def test_launches_cover_a_weight_with_whole_blocks(shape, chosen) -> None:
    count = torch.Size(shape).numel()
    formats = [schemes.get(id) for id in chosen if not schemes.get(id).needs_data]
    planned = launches(shape, "float32", formats)
    assert len({task.scheme for launch in planned for task in launch.tasks}) == sum(
        len(launch.tasks) for launch in planned
    )
    for launch in planned:
        grid = geometry(count, launch)
        assert (
            (grid.programs - 1) * grid.rows * launch.length
            < count
            <= grid.programs * grid.rows * launch.length
        )
        assert not grid.even or grid.programs * grid.rows * launch.length == count
        assert not grid.even or launch.length % grid.columns == 0
        for task in launch.tasks:
            assert task.block < 1 or (grid.columns % task.block == 0 and launch.length % task.block == 0)


def test_without_triton_it_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, DEVICE, None)
    kernels = FusedKernels(interpreted=True)
    for _ in range(2):
        assert kernels.measure(torch.randn(4, 64), [schemes.get("quanto.qint8")]) == {}
    assert len(kernels.notes) == 1 and "through torch alone" in kernels.notes[0]


class Wrong:
    """A kernel that finds no error anywhere."""

    def __getitem__(self, grid: tuple[int, ...]) -> Wrong:
        return self

    def __call__(
        self, weight: torch.Tensor, extremes: torch.Tensor, out: torch.Tensor, *rest, **options
    ) -> None:
        out.zero_()


def test_a_kernel_that_disagrees_with_its_scheme_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, DEVICE, SimpleNamespace(measure_rows=Wrong()))
    kernels = FusedKernels(interpreted=True)
    for _ in range(2):
        assert kernels.measure(torch.randn(4, 64), [schemes.get("quanto.qint8")]) == {}
    assert kernels.notes == ["quanto.qint8 is measured by torch: its kernel is wrong on this GPU"]


def test_a_weight_on_the_cpu_is_not_for_kernels() -> None:
    assert FusedKernels().measure(torch.randn(4, 64), [schemes.get("quanto.qint8")]) == {}

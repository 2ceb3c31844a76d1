"""Compiles every formula for an H100, prints registers and fails where one spills; for `test_kernels.py`."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from bitlens import schemes
from bitlens.worker.kernels import device
from bitlens.worker.kernels.fused import constants
from bitlens.worker.kernels.plan import TILE, WARPS, Geometry, Launch, launches
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

SHAPE = (4096, 4096)
DTYPES = {"float32": "*fp32", "bfloat16": "*i16", "float16": "*fp16"}
CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"


def compiled(launch: Launch, dtype: str, capability: int = 90) -> bytes:
    """The cubin of one launch on a weight of 4096 x 4096."""
    values = constants(launch, Geometry(1, 1, TILE, True), dtype, native=True)
    names = device.measure_rows.arg_names
    types = {"weight": DTYPES[dtype], "extremes": "*fp32", "out": "*fp64", "total": "i64", "length": "i32"}
    source = ASTSource(
        device.measure_rows,
        {name: types.get(name, "constexpr") for name in names},
        {(names.index(name),): value for name, value in values.items()},
        {(index,): [["tt.divisibility", 16]] for index in (0, 1, 2, 4)},
    )
    options = {"num_warps": WARPS, "enable_fp_fusion": False}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm["cubin"]


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of stack (where registers spill) of a thread."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True).stdout
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", text).groups()
    return int(registers), int(stack)


def main() -> None:
    """Every formula in bfloat16; in the other dtypes those whose arithmetic is the weight's own."""
    formats = [schemes.get(id) for id in schemes.all_ids() if not schemes.get(id).needs_data]
    spilled = []
    for dtype in DTYPES:
        first = {str(scheme.fused(SHAPE, dtype)): scheme for scheme in formats}
        own = [s for s in first.values() if dtype == "bfloat16" or s.library in ("quanto", "torchao")]
        for launch in launches(SHAPE, dtype, own):
            registers, stack = resources(compiled(launch, dtype))
            print(dtype, *(task.scheme.id for task in launch.tasks), registers, "registers", stack, "spilled")
            spilled += [launch] if stack else []
    sys.exit(bool(spilled))


if __name__ == "__main__":
    main()

"""The table of formats: found in the folder, readable without torch, complete."""

from __future__ import annotations

import subprocess
import sys

import pytest
from bitlens import backends, schemes


def test_ids_bits_and_bytes_are_read_without_torch() -> None:
    code = (
        "import sys; from bitlens import schemes, backends\n"
        "for id in schemes.all_ids():\n"
        "    s = schemes.get(id); backends.get(s.library)\n"
        "    assert s.title and s.granularity and s.bits and s.stored_bytes((64, 256), 'float32')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("id", schemes.all_ids())
def test_bytes_per_weight_is_what_a_large_bfloat16_weight_tends_to(id: str) -> None:
    shape = (1 << 17, 1 << 17)
    per_weight = schemes.get(id).stored_bytes(shape, "bfloat16") / (shape[0] * shape[1])
    assert per_weight == pytest.approx(schemes.get(id).bytes_per_weight, rel=1e-3)


def test_every_library_has_a_backend_and_every_default_exists() -> None:
    assert {schemes.get(id).library for id in schemes.all_ids()} == set(backends.all_names())
    assert set(schemes.DEFAULT_IDS) <= set(schemes.all_ids())

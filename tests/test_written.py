"""Sizes that stand on a line: as torch says, wherever the line is."""

from __future__ import annotations

from pathlib import Path

import torch
from bitlens.source.program import program_of
from bitlens.written import written_numbers
from torch import nn

CALLS = {
    "nn.Linear(768, 512)": nn.Linear(768, 512),
    "nn.Linear(in_features=3, out_features=4, bias=False)": nn.Linear(3, 4, bias=False),
    "nn.Conv2d(3, 64, (3, 5), groups=1)": nn.Conv2d(3, 64, (3, 5)),
    "nn.Embedding(1000, 16, dtype=torch.float16)": nn.Embedding(1000, 16, dtype=torch.float16),
    "nn.LSTM(8, 16, num_layers=2, bidirectional=True)": nn.LSTM(8, 16, num_layers=2, bidirectional=True),
    "nn.MultiheadAttention(64, 8)": nn.MultiheadAttention(64, 8),
}
UNKNOWN = ["nn.Linear(width, 4)", "nn.Linear(3, 4).half()", "nn.ReLU()", "Linear(3, 4)", "nn.Linear(*sizes)"]


def numbers(lines: list[str], first: str = "") -> dict[int, tuple[int | None, int | None]]:
    text = "\n".join(["import torch", "from torch import nn", first, "def f(width, sizes):", *lines]) + "\n"
    path = Path("written_sizes.py").absolute()
    found = written_numbers(program_of(text, path), ())
    if found is None:
        return {}
    return {line: (one.parameters, one.bytes) for line, one in found.by_line(str(path)).items()}


def of(module: nn.Module) -> tuple[int, int]:
    return sum(p.numel() for p in module.parameters()), sum(p.nbytes for p in module.parameters())


def test_every_call_is_as_large_as_the_module_that_it_makes() -> None:
    found = numbers([f"    x = {call}" for call in CALLS])
    assert found == {line: of(module) for line, module in enumerate(CALLS.values(), 5)}


def test_two_calls_on_a_line_are_added() -> None:
    total = tuple(a + b for a, b in zip(of(nn.Linear(2, 3)), of(nn.Linear(4, 5)), strict=True))
    assert numbers(["    return [nn.Linear(2, 3), nn.Linear(4, 5)]"]) == {5: total}


def test_the_file_s_default_dtype_counts() -> None:
    (found,) = numbers(["    x = nn.Linear(2, 3)"], "torch.set_default_dtype(torch.bfloat16)").values()
    assert found == of(nn.Linear(2, 3, dtype=torch.bfloat16))


def test_what_does_not_stand_there_is_not_guessed() -> None:
    assert numbers([f"    x = {call}" for call in UNKNOWN]) == {}

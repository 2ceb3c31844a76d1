"""What is said of numeric formats, against torch's own finfo and iinfo."""

from __future__ import annotations

import math

import pytest
import torch
from bitlens.features import formats


@pytest.mark.parametrize("name", formats.FLOATING)
def test_floating_formats_are_those_of_torch(name: str) -> None:
    known, dtype = formats.FLOATING[name], getattr(torch, name)
    info = torch.finfo(dtype)
    assert (known.bits, known.max, known.tiny) == (info.bits, info.max, info.tiny)
    if known.bits > 16:
        assert (known.eps, known.least) == (info.eps, info.tiny * info.eps)
        return
    values = every_number(dtype)
    positive = values[values > 0]
    assert positive.min().item() == known.least
    assert positive[positive > 1].min().item() - 1 == known.eps  # finfo is wrong about float8_e5m2fnuz
    assert bool(values.isinf().any()) == known.infinity
    assert values[values.isfinite()].max().item() == known.max


def every_number(dtype: torch.dtype) -> torch.Tensor:
    """All values of a format of 8 or 16 bits, by their bits."""
    bits = torch.finfo(dtype).bits
    codes = torch.arange(2**bits) - (0 if bits == 8 else 2 ** (bits - 1))
    return codes.to(torch.uint8 if bits == 8 else torch.int16).view(dtype).double()


@pytest.mark.parametrize("name", [n for n in formats.INTEGER if hasattr(torch, n)])
def test_integer_formats_are_those_of_torch(name: str) -> None:
    info = torch.iinfo(getattr(torch, name))
    text = formats.describe(f"torch.{name}")
    assert text is not None
    assert f"{info.bits} bits, from {info.min:,} to {info.max:,}" in text


@pytest.mark.parametrize("name", ["half", "float", "double", "int", "long", "short"])
def test_torch_s_other_names_mean_the_same(name: str) -> None:
    real = str(getattr(torch, name)).removeprefix("torch.")
    assert formats.describe(f"torch.{name}") == formats.describe(f"torch.{real}")


def test_digits_are_decimal_digits() -> None:
    text = formats.describe("torch.float32")
    assert text is not None
    assert f"about {24 * math.log10(2):.3g} decimal digits" in text


@pytest.mark.parametrize("name", ["torch.nn", "float7", "torch.Tensor", "", "os.path", "numpy.float16"])
def test_other_names_are_no_formats(name: str) -> None:
    assert formats.describe(name) is None

"""Amounts as text: three digits, decimal units, and never a 0 for what is not 0."""

from __future__ import annotations

import math
import re

import pytest
from bitlens.quantities import (
    count,
    duration,
    parse_duration,
    parse_size,
    percent,
    percent_range,
    printable,
    size,
    three_digits,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 KB"),
        (999_499, "999 KB"),
        (999_500, "1.00 MB"),
        (90_868_376, "90.9 MB"),
        (2_000_000_000_000_000_000, "2000 PB"),
    ],
)
def test_size(amount: int | None, text: str) -> None:
    assert size(amount) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "?"), (0.0, "0%"), (1e-9, "<0.001%"), (0.00593, "0.593%"), (0.1, "10.0%"), (12.3, "1230%")],
)
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_a_range_of_equal_texts_is_one_text() -> None:
    assert percent_range(0.00593, 0.00712) == "0.593–0.712%"
    assert percent_range(0.005931, 0.005932) == "0.593%"


@given(st.integers(1, 10**18))
def test_size_is_right_to_half_a_percent_and_reads_back(amount: int) -> None:
    assert math.isclose(parse_size(size(amount)), amount, rel_tol=0.00501)


@given(st.integers(1, 10**15))
def test_sizes_and_counts_have_one_width(amount: int) -> None:
    assert re.fullmatch(r"\d{1,3} B|(\d\.\d\d|\d\d\.\d|\d{3}) [KMGTP]B", size(amount))
    assert len(count(amount)) <= 5


@given(st.floats(1e-9, 1e5))
def test_three_digits_keeps_three_digits(number: float) -> None:
    assert math.isclose(float(three_digits(number)), number, rel_tol=0.00501)


@pytest.mark.parametrize(
    ("text", "amount"), [("8GB", 8 * 10**9), ("8 GiB", 8 * 2**30), ("1.5k", 1500), ("512", 512), ("0", 0)]
)
def test_parse_size(text: str, amount: int) -> None:
    assert parse_size(text) == amount


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("90", 90), ("0", 0)]
)
def test_parse_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "much", "-1", "5x", "1e9", "∞", "nan"])
def test_what_is_no_amount_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="8GB"):
        parse_size(text)
    with pytest.raises(ValueError, match="90s"):
        parse_duration(text)


def test_duration() -> None:
    assert [duration(seconds) for seconds in (0.5, 90, 600)] == ["0.5 s", "90 s", "10 min"]


@given(st.text())
def test_nothing_printable_moves_the_cursor(text: str) -> None:
    assert printable(text).isprintable()


def test_printable_keeps_what_people_write() -> None:
    assert printable("слой.0 ×12") == "слой.0 ×12"
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"

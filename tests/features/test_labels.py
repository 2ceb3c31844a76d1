"""Labels: never wider than an editor's share of the line, at most three digits, nothing shown as zero."""

from __future__ import annotations

from bitlens.features.labels import WIDEST, fitted, outcome, share, short_size
from bitlens.measurement import SchemeResult
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.integers(0, 10**15)
SHARES = st.none() | st.floats(0, 20)


@given(SIZES)
def test_a_size_takes_at_most_seven_characters(size: int) -> None:
    text = short_size(size)
    assert len(text) <= 7
    assert sum(character.isdigit() for character in text) <= 3


@given(st.integers(1, 10**15))
def test_a_size_is_right_to_two_digits(size: int) -> None:
    number, unit = short_size(size).split(" ")
    scale = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    assert abs(float(number) * scale - size) <= 0.05 * size + 1


@given(SHARES)
def test_a_share_takes_at_most_five_characters_and_is_never_zero_by_rounding(value: float | None) -> None:
    text = share(value)
    assert len(text) <= 5
    assert (text == "0%") == (value == 0)
    assert (text == "–") == (value is None)


@given(SIZES, SHARES, SHARES, st.integers(1, 10_000), st.sampled_from(["fp32", "bf16", "mixed", "qint8"]))
def test_no_label_is_too_wide(
    size: int, one: float | None, two: float | None, times: int, dtype: str
) -> None:
    pieces = fitted([f"×{times}", dtype, short_size(size)], [f"int8 {share(one)}", f"int4 {share(two)}"])
    label = "".join(pieces)
    assert len(label) <= WIDEST
    assert short_size(size) in label


def test_a_failure_is_never_shown_as_a_number() -> None:
    assert outcome(None) == "?"
    assert outcome(SchemeResult(8, None, converted=False, note="not a Linear")) == "same"
    assert outcome(SchemeResult(8, None)) == "–"

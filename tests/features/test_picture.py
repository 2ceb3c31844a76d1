"""The spread of weights, as blocks and as a picture that is well-formed and small."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import pytest
from bitlens.features import hover, picture
from bitlens.measurement import Histogram
from features.conftest import Analysed
from features.test_features import BLOCKS, UP
from hypothesis import given
from hypothesis import strategies as st

COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=64).filter(any)


@given(COUNTS)
def test_blocks_show_where_weights_are(counts: list[int]) -> None:
    line = picture.sparkline(Histogram(-1.0, 1.0, tuple(counts)))
    assert len(line) <= 32
    size = -(-len(counts) // 32)
    filled = [any(counts[at : at + size]) for at in range(0, len(counts), size)]
    assert [block != " " for block in line] == filled
    assert "█" in line


@given(COUNTS)
def test_the_picture_is_well_formed_and_small(counts: list[int]) -> None:
    uri = picture.data_uri(Histogram(-1.0, 1.0, tuple(counts)))
    root = ElementTree.fromstring(base64.b64decode(uri.partition(",")[2]))
    assert root.tag.endswith("svg")
    assert len(uri) < 12_000  # an editor cuts a hover at about 100,000 characters


@pytest.mark.parametrize(("pictures", "shown"), [(True, "data:image/svg+xml"), (False, "█")])
def test_a_picture_only_for_clients_that_take_one(pictures: bool, shown: str, analysed: Analysed) -> None:
    text = hover.of_line(analysed(), UP, pictures) or ""
    assert shown in text
    assert ("data:" in text) == pictures
    assert "of `blocks.0.up`" in text
    assert "of `blocks.0.norm`" in (hover.of_line(analysed(), BLOCKS, pictures) or "")

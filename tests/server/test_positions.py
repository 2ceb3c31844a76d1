"""Columns and lines, against Python's own codecs and the whole text."""

from __future__ import annotations

import pytest
from bitlens_server.documents import Edit, TextDocument
from bitlens_server.positions import Encoding, from_bytes, index, split, to_bytes, units
from hypothesis import given
from hypothesis import strategies as st

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
CODECS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
LINES = st.text(st.sampled_from("ab \t中文é😀🏳️‍🌈x"), max_size=20)
TEXTS = st.text(st.sampled_from("a b\t中😀\n\r\f\x0b\u2028("), max_size=40)


@given(LINES, st.sampled_from(ENCODINGS))
def test_units_are_those_of_the_codec(line: str, encoding: Encoding) -> None:
    codec, width = CODECS[encoding]
    assert units(line, encoding) == len(line.encode(codec)) // width


@given(LINES, st.sampled_from(ENCODINGS), st.data())
def test_every_column_comes_back(line: str, encoding: Encoding, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(line)))
    column = units(line[:place], encoding)
    assert index(line, column, encoding) == place
    assert to_bytes(line, column, encoding) == len(line[:place].encode())
    assert from_bytes(line, len(line[:place].encode()), encoding) == column


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_column_past_the_end_is_the_end(encoding: Encoding) -> None:
    assert index("中😀", 99, encoding) == 2
    assert from_bytes("中😀", 99, encoding) == units("中😀", encoding)


@given(TEXTS)
def test_lines_end_where_the_protocol_says(text: str) -> None:
    """`\\n`, `\\r\\n` and `\\r` end a line, nothing else; together the lines are the text."""
    lines = split(text)
    assert "".join(lines) == text
    assert all("\n" not in line[:-1].removesuffix("\r") and "\r" not in line.rstrip("\r\n") for line in lines)
    assert len(lines) == text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1


def replaced(text: str, edit: Edit, encoding: Encoding) -> str:
    """An edit made on the whole text."""
    if edit.start is None or edit.end is None:
        return edit.text
    lines = split(text)

    def offset(position: tuple[int, int]) -> int:
        line, column = position
        if line >= len(lines):
            return len(text)
        return sum(map(len, lines[:line])) + index(lines[line].rstrip("\r\n"), column, encoding)

    start, end = offset(edit.start), offset(max(edit.start, edit.end))
    return text[:start] + edit.text + text[end:]


PLACES = st.tuples(st.integers(0, 6), st.integers(0, 12))
EDITS = st.builds(Edit, TEXTS, st.none(), st.none()) | st.builds(Edit, TEXTS, PLACES, PLACES)


@given(TEXTS, st.lists(EDITS, max_size=5), st.sampled_from(ENCODINGS))
def test_edited_in_place_the_text_is_that_of_the_whole(
    text: str, edits: list[Edit], encoding: Encoding
) -> None:
    """Lines, their count and their ids fit together after any edits."""
    document = TextDocument("file:///a.py", text, 1)
    for version, edit in enumerate(edits, 2):
        document.apply([edit], version, encoding)
        text = replaced(text, edit, encoding)
        assert document.lines == split(text)
        assert len(document.ids) == len(document.lines) == len(set(document.ids))


@pytest.mark.parametrize(
    ("edit", "kept"),
    [
        (Edit("x", (1, 1), (1, 1)), {0: 0, 1: 1, 2: 2}),
        (Edit("\n", (1, 0), (1, 0)), {0: 0, 1: 2, 2: 3}),
        (Edit("\n    ", (1, 1), (1, 1)), {0: 0, 1: 1, 2: 3}),
        (Edit("", (0, 0), (1, 0)), {1: 0, 2: 1}),
        (Edit("", (0, 1), (1, 0)), {0: 0, 2: 1}),
        (Edit("new = 1\na\nb\nc"), {0: 1, 1: 2, 2: 3}),
    ],
    ids=["typing", "enter before", "enter behind", "line deleted", "lines joined", "all replaced"],
)
def test_a_line_keeps_its_identity(edit: Edit, kept: dict[int, int]) -> None:
    """What people see at a line goes where the line goes."""
    document = TextDocument("file:///a.py", "a\nb\nc", 1)
    before = list(document.ids)
    document.apply([edit], 2, "utf-16")
    assert {old: document.ids.index(before[old]) for old in range(3) if before[old] in document.ids} == kept

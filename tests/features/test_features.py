"""Hints, hovers, lenses and the model tree of one measured program."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bitlens.analysis import Analysis
from bitlens.features import hover, markdown, model_tree
from bitlens.features.hints import hints
from bitlens.features.labels import short_count, short_size
from bitlens.features.lens import Activity, lenses
from bitlens.measurement import Report
from bitlens.settings import Hints, Settings
from features.conftest import PROGRAM, Analysed
from markdown_it import MarkdownIt

LINES = {text.strip(): number for number, text in enumerate(PROGRAM.split("\n"), 1)}
UP = LINES["self.up = nn.Linear(width, 2 * width, dtype=torch.float16)"]
BLOCKS = LINES["self.blocks = nn.ModuleList([Block(32) for _ in range(blocks)])"]
EMBED = LINES["self.embed = nn.Embedding(1000, 32)"]
HEAD = LINES["self.head = nn.Linear(32, 1000, bias=False)"]
DROP = LINES["self.drop = nn.Dropout(0.1)"]
MODEL = LINES["model = Net()"]


def labels(analysis: Analysis) -> dict[int, str]:
    return {hint.line: hint.label for hint in hints(analysis)}


def wanting(**values: object) -> Settings:
    return Settings(hints=replace(Hints(), **values))  # type: ignore[arg-type]


def at(analysis: Analysis, line: int, text: str) -> str:
    """The hover at a word of a line."""
    column = analysis.text.split("\n")[line - 1].index(text)
    found = hover.hover(analysis, line, column + 1)
    return found.text if found else ""


def test_each_constructing_line_says_its_memory_and_errors(analysed: Analysed) -> None:
    found = labels(analysed())
    assert found[UP].startswith("×3 fp16 13 KB")
    assert "int8 ." in found[UP] and "int4 " in found[UP]
    assert found[EMBED] == "fp32 128 KB·int8 same·int4 same"
    assert DROP not in found
    assert all(len(label) <= 34 for label in found.values())


def test_a_line_that_makes_composites_sums_what_they_hold(analysed: Analysed, report: Report) -> None:
    below = [layer for layer in report.models[0].layers if layer.path.startswith("blocks.")]
    total = sum(layer.bytes + layer.buffer_bytes for layer in below)
    found = {hint.line: hint for hint in hints(analysed())}
    assert found[BLOCKS].kind == "composite"
    assert found[BLOCKS].label.startswith(f"×3 fp16 {short_size(total)}")


def test_tied_weights_count_once(analysed: Analysed) -> None:
    """The head's weight is the embedding's: its line has no bytes of its own beside those."""
    analysis = analysed()
    assert at(analysis, HEAD, "nn.Linear").count("to `embed.weight`") == 1
    model = analysis.placed[0].numbers.model
    assert model.bytes == sum(layer.bytes for layer in model.layers)
    assert model.bytes < 2 * 128_000


@pytest.mark.parametrize(
    ("settings", "line", "label"),
    [
        (wanting(preset="size"), UP, "13 KB"),
        (wanting(preset="off"), UP, None),
        (wanting(minimum_size="20KB"), UP, None),
        (wanting(layers=False), UP, None),
        (wanting(composites=False), BLOCKS, None),
        (wanting(models=False), MODEL, None),
    ],
)
def test_presets_and_switches(settings: Settings, line: int, label: str | None, analysed: Analysed) -> None:
    assert labels(analysed(settings)).get(line) == label


def test_compact_is_memory_and_the_last_scheme(analysed: Analysed) -> None:
    label = labels(analysed(wanting(preset="compact")))[UP]
    assert label.startswith("×3 13 KB · int4 ")
    assert len(label) <= 24


def test_the_model_s_line_says_what_the_schemes_would_leave(analysed: Analysed, report: Report) -> None:
    label = labels(analysed())[MODEL]
    model = report.models[0]
    assert label.startswith(short_count(model.parameters))
    for name, id in (("int8", "quanto.qint8"), ("int4", "quanto.qint4")):
        left = model.schemes[id].bytes + model.schemes[id].buffer_bytes
        assert f"{name} {short_size(left)}".replace(" ", "") in label.replace(" ", "")


def test_an_edited_line_keeps_its_numbers_and_stale_ones_say_so(analysed: Analysed) -> None:
    fresh, stale = analysed(), analysed(stale=True)
    assert labels(fresh) == labels(stale)
    assert "has changed since" in at(stale, UP, "nn.Linear")
    assert "has changed since" not in at(fresh, UP, "nn.Linear")


def test_a_hover_says_where_numbers_come_from(analysed: Analysed) -> None:
    text = at(analysed(), UP, "nn.Linear")
    assert "×3 `weight` | 64×32 | fp16" in re.sub(" +", " ", text)
    assert "freshly initialised weights" in text
    assert "not of the model's answers" in text
    assert "`quanto.qint4`" in text
    assert "still arriving" in at(analysed(complete=False), UP, "nn.Linear")


@pytest.mark.parametrize(
    ("line", "word", "said"),
    [
        (UP, "torch.float16", "**float16**: 16 bits"),
        (2, "qint8", "8-bit integers"),
        (LINES["return self.head.weight.float()"], "weight", "to `embed.weight`"),
        (MODEL, "Net", "**Net** `model`"),
    ],
)
def test_what_stands_under_the_cursor(line: int, word: str, said: str, analysed: Analysed) -> None:
    assert said in at(analysed(), line, word)


def test_tables_become_blocks_of_code_with_the_same_cells(analysed: Analysed) -> None:
    """CommonMark has no tables: what a parser with them reads there, one without them reads in the blocks."""
    text = f"{at(analysed(), UP, 'Linear')}\n\n{markdown.table(['a|b', 'c'], [['`x|y`', '–'], ['z', '1 2']])}"
    rows = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            rows.append("")
        elif token.type == "inline" and token.level > 2:
            rows[-1] += " " + "".join(child.content for child in token.children or ())
    tokens = MarkdownIt("commonmark").parse(markdown.without_tables(text))
    blocks = [token.content.rstrip("\n").split("\n") for token in tokens if token.type == "fence"]
    assert [line.split() for block in blocks for line in block] == [row.split() for row in rows]
    assert len(blocks) == 3
    assert "|" not in "".join(token.content for token in tokens if token.type == "inline")


def test_other_places_have_no_hover(analysed: Analysed) -> None:
    analysis = analysed()
    assert hover.hover(analysis, 1, 0) is None
    assert hover.hover(analysis, 999, 0) is None


def test_each_part_of_a_label_has_its_own_tooltip(analysed: Analysed) -> None:
    analysis = analysed()
    (hint,) = [hint for hint in hints(analysis) if hint.line == UP]
    tooltips = [hover.of_topic(analysis, UP, piece.topic) for piece in hint.pieces]
    assert [topic.topic for topic in hint.pieces] == ["memory", "quanto.qint8", "quanto.qint4"]
    assert all(tooltips) and len(set(tooltips)) == 3


def test_lenses_stand_on_models_and_their_classes_alone(analysed: Analysed) -> None:
    found = lenses(analysed(), None)
    assert {lens.line for lens in found} == {
        LINES["class Block(nn.Module):"],
        LINES["class Net(nn.Module):"],
        MODEL,
    }
    assert next(lens.title for lens in found if lens.line == MODEL) == "Measure again"


def test_sums_of_a_measurement_that_runs_say_so(analysed: Analysed) -> None:
    for complete, words in ((True, "measured · model tree"), (False, "measured so far · model tree")):
        titles = [lens.title for lens in lenses(analysed(complete=complete), None)]
        assert any(title.endswith(words) for title in titles)


def test_a_running_measurement_can_be_cancelled_from_its_lens(analysed: Analysed) -> None:
    found = lenses(analysed(), Activity("model", 3, 9))
    (first, _) = [lens for lens in found if lens.line == MODEL]
    assert (first.command, first.title) == ("cancel", "measuring 3/9 layers · cancel")


def test_the_tree_sums_to_the_model(analysed: Analysed) -> None:
    placed = analysed().placed[0]
    data = model_tree.as_data(placed)
    model = placed.numbers.model
    assert data["bytes"] == model.bytes + model.buffer_bytes
    assert data["parameters"] == model.parameters
    text = model_tree.as_text(placed)
    assert "0 … 2  ×3" in text
    assert "not of the model's answers" in text

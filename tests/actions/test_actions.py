"""Each action on its before/after fixture: the edit, that it is offered once, and that the program after
runs.
"""

from __future__ import annotations

import ast
from pathlib import Path

import bitlens.actions
import pytest
from bitlens.actions import Offer, Span, actions, applied, offers
from bitlens.analysis import Analysis
from rules.outcomes import measured_models, original, outcomes, with_numbers
from rules.programs import Fixture, Marker, fixtures

FIXTURES = fixtures("actions")
QUANTIZED = [fixture for fixture in FIXTURES if "scheme" in fixture.directives]
by_name = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.id)


def offered(analysis: Analysis, marker: Marker) -> Offer | None:
    return next((offer for offer in offers(analysis, marker.span) if offer.id == marker.what), None)


def only_marker(fixture: Fixture) -> Marker:
    (marker,) = fixture.markers
    return marker


def test_every_action_has_a_fixture_and_a_manual_page() -> None:
    """A file in the folder is an action, and one without a fixture is refused here."""
    files = {p.stem for p in Path(bitlens.actions.__file__).parent.glob("[!_]*.py")}
    assert files == {fixture.subject for fixture in FIXTURES}
    assert len({action.id for action in actions()}) == len(actions()) == len(files)


@by_name
def test_the_edit_writes_the_program_after(fixture: Fixture) -> None:
    offer = offered(fixture.analysis(), only_marker(fixture))
    assert offer is not None
    assert applied(fixture.before, offer.edit()) == fixture.after


@by_name
def test_it_is_offered_once(fixture: Fixture) -> None:
    """On the line that it was chosen on, wherever that is now, there is nothing left to choose."""
    analysis, marker = fixture.analysis(fixture.after), only_marker(fixture)
    line = fixture.before.splitlines()[marker.span.line - 1]
    start = line[: marker.span.end_column]
    now = next(n for n, text in enumerate(fixture.after.splitlines(), 1) if text.startswith(start))
    span = Span(now, marker.span.column, now, marker.span.end_column)
    again = offered(analysis, Marker(span, marker.what))
    assert again is None


@by_name
def test_every_offer_on_every_line_gives_a_program(fixture: Fixture) -> None:
    analysis = fixture.analysis()
    for line in range(1, fixture.before.count("\n") + 1):
        for offer in offers(analysis, Span(line, 0, line, 200)):
            ast.parse(applied(fixture.before, offer.edit()))


@by_name
def test_the_program_after_runs(fixture: Fixture) -> None:
    outcome = outcomes()[fixture.id]
    assert outcome["before"] is None, outcome["before"]
    assert outcome["after"] is None, outcome["after"]
    assert outcome["holds"] is None, outcome["holds"]


@pytest.mark.parametrize("fixture", QUANTIZED, ids=lambda f: f.id)
def test_the_quantized_model_is_what_the_hints_said(fixture: Fixture) -> None:
    """Bytes and error of every converted layer, as measured from the program before."""
    models = measured_models(original(fixture), fixture.path)
    scheme, real = fixture.directives["scheme"], outcomes()[fixture.id]["layers"]
    layers = {layer.path: layer for layer in models[-1].layers}
    assert set(layers) == set(real)
    converted = [path for path in real if real[path]["error"] is not None]
    assert converted
    for path in converted:
        result = layers[path].schemes[scheme]
        assert result.bytes == real[path]["bytes"]
        assert result.buffer_bytes == real[path]["buffer_bytes"]
        assert result.relative_error == pytest.approx(real[path]["error"], rel=1e-5)
    for path in set(real) - set(converted):
        assert layers[path].bytes == real[path]["bytes"]


def test_a_measured_line_of_many_layers_gives_one_pattern() -> None:
    text = (
        "from optimum.quanto import qint8, quantize\n"
        "from torch import nn\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.up = nn.Linear(8, 16)\n"
        "        self.down = nn.Linear(16, 8)\n"
        "model = nn.Sequential(Block(), Block(), nn.Linear(8, 2))\n"
        "quantize(model, weights=qint8)\n"
    )
    path = Path("many.py").absolute()
    analysis = Analysis(path, text)
    unquantized = text.replace("quantize(model, weights=qint8)", "pass")
    analysis = with_numbers(analysis, measured_models(unquantized, path))
    offer = next(offer for offer in offers(analysis, Span(6, 0, 6, 10)) if offer.id == "exclude")
    assert offer.title == "Exclude `0.up` and 1 more from the quantization of `model`"
    assert 'quantize(model, weights=qint8, exclude="*.up")' in applied(text, offer.edit())

"""Settings: declared once, resolved from several places, wrong ones told and left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from bitlens.settings import Settings, declared, documentation, resolve

ROOT = Path(__file__).parents[1]


def test_the_manual_page_is_made_from_the_declaration() -> None:
    """Regenerate with: python -c "from bitlens.settings import *; print(documentation(), end='')"."""
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == documentation()


def test_every_default_is_a_value_that_may_be_set() -> None:
    for item in declared():
        value = list(item.default) if isinstance(item.default, tuple) else item.default
        nested: object = value
        for part in reversed(item.path):
            nested = {part: nested}
        assert resolve(("test", nested, True)) == (Settings(), ())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["minimum_size", "minimumSize", "minimum-size"])
def test_three_ways_to_write_a_name(name: str) -> None:
    settings, wrong = resolve(("test", {"hints": {name: "10KB"}}, True))
    assert (settings.hints.minimum_size, wrong) == ("10KB", ())


def test_the_stronger_layer_wins_and_null_is_not_set() -> None:
    weak = ("project", {"hints": {"preset": "size", "static": False}}, False)
    strong = ("editor", {"hints": {"preset": "compact", "static": None}}, True)
    settings, wrong = resolve(weak, strong)
    assert (settings.hints.preset, settings.hints.static, wrong) == ("compact", False, ())


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"hints": {"preset": "loud"}}, "hints.preset: 'loud' is none of full, compact, size, off"),
        ({"hints": {"minimumSize": "3 XB"}}, "unknown unit"),
        ({"hints": {"schemes": ["quanto.qint9"]}}, "there is no scheme 'quanto.qint9'"),
        ({"hints": {"layers": 1}}, "is not a bool"),
        ({"measure": {"timeLimit": -1}}, "cannot be negative"),
        ({"measure": {"timeLimit": True}}, "is not a float"),
        ({"models": ["x"]}, "is not a table"),
        ({"diagnostics": {"severity": {"BL001": "fatal"}}}, "is none of"),
    ],
)
def test_a_wrong_value_is_told_and_the_default_stays(values: dict[str, object], complaint: str) -> None:
    settings, (wrong,) = resolve(("pyproject.toml", values, True))
    assert settings == Settings()
    assert wrong.startswith("pyproject.toml: ")
    assert complaint in wrong


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"diagnostics": {"budgget": "8GB"}}, "project: diagnostics.budgget: there is no such setting"),
        ({"budget": "8GB"}, "project: budget: there is no such setting"),
        ({"diagnostics": "8GB"}, "project: diagnostics: '8GB' is not a table"),
    ],
)
def test_a_name_that_is_no_setting_is_told(values: dict[str, object], complaint: str) -> None:
    assert resolve(("project", values, False)) == (Settings(), (complaint,))


def test_what_only_an_editor_knows_is_its_own() -> None:
    """The editor sends all that it has under `bitlens.`."""
    assert resolve(("editor", {"trace": {"server": "off"}}, True)) == (Settings(), ())


def test_a_workspace_cannot_choose_what_runs() -> None:
    values = {"interpreter": "/tmp/python", "measure": {"allowNetwork": True}}
    assert resolve(("project", values, False)) == (Settings(), ())
    assert resolve(("editor", values, True))[0].interpreter == "/tmp/python"

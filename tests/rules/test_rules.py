"""Each rule on its before/after fixture: what it finds, what its fix writes, that this runs and is true."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bitlens.rules
import pytest
from bitlens.actions import fixed
from bitlens.analysis import Analysis
from bitlens.measurement import Environment
from bitlens.rules import Finding, findings, page, rules
from rules.outcomes import measured_models, original, outcomes, with_numbers
from rules.programs import Fixture, fixtures

FIXTURES = fixtures("rules")
by_name = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.id)


def module_of(code: str) -> str:
    return next(rule.find.__module__ for rule in rules() if rule.code == code).rpartition(".")[2]


def analysis_of(fixture: Fixture, text: str | None = None) -> Analysis:
    """With the numbers of a real measurement, where the rule needs one or the budget a size."""
    analysis = fixture.analysis(text)
    rule = next(rule for rule in rules() if rule.find.__module__.endswith("." + fixture.subject))
    if not rule.measured and rule.code != "BL502":
        return analysis
    source = original(fixture) if text is None else text
    return with_numbers(analysis, measured_models(source, analysis.path))


def matches(finding: Finding, fixture: Fixture) -> bool:
    for span, what in fixture.markers:
        begins = (span.line, span.column) == (finding.span.line, finding.span.column)
        ends = finding.span.end_line > span.line or finding.span.end_column == span.end_column
        if begins and ends and what == finding.code:
            return True
    return False


def test_every_rule_has_a_fixture_and_a_manual_page() -> None:
    """A file in the folder is a rule, and one without a fixture is refused here."""
    files = {p.stem for p in Path(bitlens.rules.__file__).parent.glob("[!_]*.py")}
    assert files == {fixture.subject for fixture in FIXTURES}
    for rule in rules():
        headings = [line for line in page(rule).splitlines() if line.startswith("## ")]
        wanted = ["What it does", "Why is this bad?", "Example", "Use instead", "Fix"]
        assert headings == [f"## {heading}" for heading in wanted], rule.code


def test_codes_and_names_are_unique() -> None:
    assert len({rule.code for rule in rules()}) == len({rule.name for rule in rules()}) == len(rules())


@by_name
def test_what_is_found_is_what_is_marked(fixture: Fixture) -> None:
    found = findings(analysis_of(fixture))
    assert [f"{f.code} {f.span}" for f in found if not matches(f, fixture)] == []
    assert len(found) == len(fixture.markers)
    assert {module_of(f.code) for f in found} == {fixture.subject}


@by_name
def test_the_fix_writes_the_program_after(fixture: Fixture) -> None:
    analysis = analysis_of(fixture)
    if any(f.fix is not None for f in findings(analysis)):
        assert fixed(analysis, unsafe=True).text == fixture.after


@by_name
def test_nothing_is_found_in_the_program_after(fixture: Fixture) -> None:
    assert findings(analysis_of(fixture, fixture.after)) == ()


@by_name
def test_the_programs_run(fixture: Fixture) -> None:
    """What is said of the program before is true, the one after runs, and what the fixture says holds."""
    outcome = outcomes()[fixture.id]
    before = outcome["before"]
    assert (before.partition("\n")[0] if before else None) == fixture.directives.get("raises"), before
    assert outcome["after"] is None, outcome["after"]
    assert outcome["holds"] is None, outcome["holds"]


@pytest.mark.parametrize("fixture", [f for f in FIXTURES if "scheme" in f.directives], ids=lambda f: f.id)
def test_the_quantized_model_is_what_the_measurement_says(fixture: Fixture) -> None:
    scheme = fixture.directives["scheme"]
    model = next(m for m in measured_models(original(fixture), fixture.path) if m.name == "model")
    real = outcomes()[fixture.id]["layers"]
    assert {layer.path for layer in model.layers} == set(real)
    for layer in model.layers:
        if real[layer.path]["error"] is not None:
            result = layer.schemes[scheme]
            assert (result.bytes, result.buffer_bytes) == (
                real[layer.path]["bytes"],
                real[layer.path]["buffer_bytes"],
            )
            assert result.relative_error == pytest.approx(real[layer.path]["error"], rel=1e-5)
        else:
            assert layer.bytes == real[layer.path]["bytes"]


def test_the_manual_is_made_from_the_rules() -> None:
    """`python docs/rule_pages.py` writes it again."""
    script = Path(__file__).parents[2] / "docs" / "rule_pages.py"
    ran = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr


def test_a_model_larger_than_its_device_is_found_without_a_budget() -> None:
    """A real measurement, on a device that is said to have 10 KB."""
    (fixture,) = [fixture for fixture in FIXTURES if fixture.id == "too_large"]
    models = measured_models(fixture.before, fixture.path.absolute())
    analysis = with_numbers(Analysis(fixture.path, fixture.before), models)
    small = Environment("3.11", "2.13", "cuda", "a small GPU", 10_000)
    placed = [replace(p, numbers=replace(p.numbers, environment=small)) for p in analysis.placed]
    (finding,) = findings(replace(analysis, placed=tuple(placed)))
    assert finding.code == "BL502"
    assert "a small GPU (10.0 KB). It would fit as float16" in finding.message
    assert findings(analysis) == ()

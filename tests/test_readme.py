"""What the README says can be typed can be typed, and what it names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from bitlens.cli.arguments import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^ {4}bitlens (.*)$", README, flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_understood(command: str) -> None:
    assert callable(parse(shlex.split(command, comments=True)).run)


def test_the_readme_names_every_example_and_no_other() -> None:
    section = README.partition("has one small program")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+\.py)`", section)) == {
        file.name for file in (ROOT / "examples").glob("*.py")
    }


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()

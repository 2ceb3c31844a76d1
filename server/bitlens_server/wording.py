"""What problems say to the user of an editor: settings and lines in the place of command-line options."""

from __future__ import annotations

import re
from dataclasses import replace

from bitlens.problems import Problem

_OPTIONS = (
    (re.compile(r"--model '([^']*)'"), r"`model = \1` on a line of the file"),
    (re.compile(r"with --model\b"), "by a line of its own, `model = …`"),
    (re.compile(r", or use --static\b"), ""),
    (re.compile(r"--device meta\b"), "the setting `bitlens.measure.device: meta`"),
    (re.compile(r"--time-limit\b"), "the setting `bitlens.measure.timeLimit`"),
    (re.compile(r"--memory-limit\b"), "the setting `bitlens.measure.memoryLimit`"),
    (re.compile(r"--allow-network\b"), "the setting `bitlens.measure.allowNetwork`"),
    (re.compile(r"--python\b"), "the setting `bitlens.interpreter`"),
)


def in_editor(problem: Problem) -> Problem:
    """The same problem with the way out that an editor has."""
    message = problem.message
    for option, words in _OPTIONS:
        message = option.sub(words, message)
    return replace(problem, message=message)

"""Rules and actions on real files with random edits: nothing raises, and every edit gives text that still
parses.
"""

from __future__ import annotations

import ast
import importlib.util
import random
import warnings
from functools import cache
from pathlib import Path

import pytest
from bitlens.actions import Span, applied, fix_all, offered
from bitlens.analysis import Analysis
from bitlens.rules import findings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules.programs import fixtures

MODELING = [
    *("transformers/models/bert/modeling_bert.py", "transformers/models/llama/modeling_llama.py"),
    *("torch/ao/quantization/quantize.py", "optimum/quanto/models/transformers_models.py"),
    *("transformers/quantizers/quantizer_quanto.py", "torch/nn/modules/transformer.py"),
]
TOKENS = [
    *(
        "quantize(model, weights=qint8)",
        "freeze(model)",
        "\n",
        "    ",
        "(",
        ")",
        ",",
        ":",
        ".half()",
        "#",
        "'",
        '"""',
    ),
    *(
        "model = Net()",
        "import quanto\n",
        "torch.load(x)",
        "torch.save(model, y)",
        " if x else ",
        "; ",
        "\\\n",
        "é模型😀",
    ),
    *(
        "torch_dtype=torch.float16",
        "exclude='a'",
        "def f(model):\n",
        "return model\n",
        "lambda: ",
        "*",
        "**kw",
        "\t",
    ),
]


@cache
def real_texts() -> tuple[str, ...]:
    packages = {name.split("/")[0] for name in MODELING}
    found = [fixture.before for kind in ("rules", "actions") for fixture in fixtures(kind)]
    for package in sorted(packages):
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations
        root = Path(next(iter(spec.submodule_search_locations))).parent
        found += [(root / name).read_text("utf-8")[:20_000] for name in MODELING if name.startswith(package)]
    return tuple(found)


def parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except SyntaxError:
            return False
    return True


@st.composite
def edited(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(real_texts()))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 5, 40])))
        text = text[:start] + draw(st.sampled_from(["", *TOKENS])) + text[end:]
    return text


def check(text: str, seed: int) -> None:
    analysis = Analysis(Path("any.py").absolute(), text)
    text = analysis.program.text
    whole = parses(text)
    found = findings(analysis)
    edits = [finding.fix.edit() for finding in found if finding.fix is not None]
    everything = fix_all(analysis)
    edits += [everything.edit()] if everything is not None else []
    lines = text.count("\n") + 1
    for line in random.Random(seed).sample(range(1, lines + 1), min(lines, 25)):
        edits += [offer.edit() for offer in offered(analysis, Span(line, 0, line, 500))]
    for edit in edits:
        new = applied(text, edit)
        assert parses(new) or not whole, new


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=edited(), seed=st.integers(0, 99))
def test_any_edit_of_a_real_file(text: str, seed: int) -> None:
    check(text, seed)


@pytest.mark.parametrize("fixture", [*fixtures("rules"), *fixtures("actions")], ids=lambda f: f.id)
def test_half_typed_programs(fixture) -> None:
    """Many prefixes of a program, as it looks while it is typed."""
    for length in range(0, len(fixture.before), 29):
        check(fixture.before[:length], length)

"""What the source alone says of the examples is what the worker finds when it builds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from bitlens.measurement import Model
from bitlens.measuring import Options, measure
from bitlens.reading import static_report

EXAMPLES = Path(__file__).parent.parent / "examples"
SELECTED = {"factory.py": "small()"}
NOT_STATIC = {
    "sentence_encoder.py": "its configuration lies in a checkpoint",
    "quanto_int8.py": "quanto's own code swaps the modules",
}
UNKNOWN = {"training.py": ("int8",)}
"""Models that a quantizing library makes, of which the static report says that it does not know them."""


def facts(model: Model) -> dict[str, tuple[object, ...]]:
    return {
        layer.path: (layer.type, layer.file, layer.line, layer.parameters, layer.bytes, layer.dtype)
        for layer in model.layers
        if layer.tensors
    }


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.py") if p.name not in NOT_STATIC))
def test_static_agrees_with_the_worker(name: str) -> None:
    target, selection = str(EXAMPLES / name), SELECTED.get(name)
    static = static_report(target, selection)
    measured = measure(target, Options(model=selection, schemes=(), device="cpu"))
    known = [model for model in measured.models if model.name not in UNKNOWN.get(name, ())]
    assert [model.name for model in static.models] == [model.name for model in known]
    for said, found in zip(static.models, known, strict=True):
        assert said.weights == "shapes"
        assert facts(said) == facts(found)
        assert (said.parameters, said.bytes, said.line) == (found.parameters, found.bytes, found.line)
    missing = UNKNOWN.get(name, ())
    assert [problem.code for problem in static.problems] == ["no-model"] * len(missing)

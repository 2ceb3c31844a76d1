"""What the source alone says of programs is what the worker finds when it builds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bitlens.client import Worker
from bitlens.comparing import difference
from bitlens.measurement import Line, Model
from bitlens.measuring import Options, measure_slice, worker_for
from bitlens.reading import reading, static_report
from bitlens.source.program import read
from bitlens.statics import buildable

EXAMPLES = Path(__file__).parent.parent / "examples"
FIXTURES = Path(__file__).parent / "fixtures" / "reading"
OPTIONS = Options(schemes=(), device="cpu")
SELECTED = {"factory.py": "small()"}
QUANTIZED = (
    "quanto('qint4')",
    "quanto_by_type()",
    "with_activations()",
    "torchao()",
    "torchao_linear_alone()",
    "torchao_int4()",
    "dynamic_by_default()",
    "part_in_bfloat16()",
)
PRETRAINED = (
    "in_half()",
    "shorter()",
    "four_bits()",
    "by_quanto()",
    "by_torchao()",
)


def layers(model: Model) -> dict[str, tuple[object, ...]]:
    return {
        layer.path: (layer.type, layer.file, layer.line, layer.parameters, layer.bytes, layer.tensors)
        for layer in model.layers
        if layer.tensors
    }


def lines(model: Model) -> set[Line]:
    return set(model.lines)


def assert_same(said: Model, found: Model) -> None:
    assert said.weights == "shapes"
    assert layers(said) == layers(found)
    assert lines(said) == lines(found)
    assert (said.name, said.parameters, said.bytes, said.buffer_bytes, said.dtypes, said.line) == (
        found.name,
        found.parameters,
        found.bytes,
        found.buffer_bytes,
        found.dtypes,
        found.line,
    )


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with closing(worker_for(OPTIONS)) as worker:
        yield worker


def compare(worker: Worker, file: Path, selection: str | None) -> None:
    static = static_report(str(file), selection)
    pieces = buildable(read(file), reading(file), selection)
    measured = [measure_slice(piece, OPTIONS, worker, lambda _: None).model() for piece in pieces]
    assert not static.problems
    for said, found in zip(static.models, measured, strict=True):
        assert found is not None
        assert_same(said, found)
        assert difference(said, found) is None


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_static_agrees_with_the_worker(worker: Worker, name: str) -> None:
    compare(worker, EXAMPLES / name, SELECTED.get(name))


@pytest.mark.parametrize("selection", QUANTIZED)
def test_a_quantized_model_is_what_its_library_makes(worker: Worker, selection: str) -> None:
    compare(worker, FIXTURES / "quantized.py", selection)


@pytest.mark.parametrize("selection", PRETRAINED)
def test_a_checkpoint_on_this_machine_is_what_transformers_loads(worker: Worker, selection: str) -> None:
    compare(worker, FIXTURES / "pretrained.py", selection)


@pytest.mark.parametrize("quantized", ["prepared_and_converted()", "by_hqq()"])
def test_what_the_source_does_not_tell_of_a_quantized_model_is_unknown(quantized: str) -> None:
    static = static_report(str(FIXTURES / "untold.py"), quantized)
    assert all(model.bytes is None for model in static.models)
    assert static.problems or static.models

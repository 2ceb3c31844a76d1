"""Reports made by hand: a small transformer, with all that a report can hold."""

from __future__ import annotations

import pytest
from bitlens.measurement import Environment, Layer, Line, Model, Report, SchemeResult, Tensor
from bitlens.problems import Problem

BLOCKS = 12
WIDTH = 64
QINT8, QINT4, HALF = "quanto.qint8", "quanto.qint4", "float16"


def linear(path: str, rows: int, columns: int, line: int, error: float) -> Layer:
    count = rows * columns + rows
    schemes = {
        QINT8: SchemeResult(
            rows * columns + 8 * rows, relative_error=error, sqnr_db=42.0, max_abs_error=0.01
        ),
        QINT4: SchemeResult(
            rows * columns // 2 + 8 * rows, relative_error=error * 18, sqnr_db=17.5, max_abs_error=0.2
        ),
        HALF: SchemeResult(
            count * 2, relative_error=error / 40, sqnr_db=74.0, max_abs_error=1e-5, overflow=0, underflow=2
        ),
    }
    tensors = (
        Tensor("weight", "parameter", (rows, columns), "float32", rows * columns * 4, True),
        Tensor("bias", "parameter", (rows,), "float32", rows * 4, True),
    )
    return Layer(path, "Linear", "net.py", line, count, count * 4, 0, "float32", tensors, schemes)


def untouched(path: str, kind: str, shape: tuple[int, ...], line: int) -> Layer:
    count = 1
    for length in shape:
        count *= length
    why = f"the library converts Linear, not {kind}"
    left = SchemeResult(count * 4, converted=False, note=why)
    cast = SchemeResult(
        count * 2, relative_error=0.0001, sqnr_db=80.0, max_abs_error=1e-6, overflow=3, underflow=0
    )
    weight = Tensor("weight", "parameter", shape, "float32", count * 4, True)
    schemes = {QINT8: left, QINT4: left, HALF: cast}
    return Layer(path, kind, "net.py", line, count, count * 4, 0, "float32", (weight,), schemes)


def block(number: int) -> list[Layer]:
    prefix = f"decoder.layers.{number}"
    error = 0.005 + number / 10_000
    return [
        linear(f"{prefix}.attention.qkv", 3 * WIDTH, WIDTH, 9, error),
        linear(f"{prefix}.attention.out", WIDTH, WIDTH, 10, error),
        untouched(f"{prefix}.norm", "LayerNorm", (WIDTH,), 11),
        linear(f"{prefix}.mlp.0", 4 * WIDTH, WIDTH, 12, error),
        linear(f"{prefix}.mlp.2", WIDTH, 4 * WIDTH, 13, error),
    ]


def head(tied_to: str) -> Layer:
    """The output layer of a language model: its weight is the embedding's."""
    weight = Tensor("weight", "parameter", (1000, WIDTH), "float32", 1000 * WIDTH * 4, True, tied_to)
    schemes = {name: SchemeResult(0, converted=False, note="tied") for name in (QINT8, QINT4)}
    return Layer("head", "Linear", "net.py", 31, 0, 0, 0, "float32", (weight,), schemes)


def transformer() -> Model:
    layers = [untouched("embedding", "Embedding", (1000, WIDTH), 29)]
    for number in range(BLOCKS):
        layers += block(number)
    layers.append(head("embedding.weight"))
    total = sum(layer.bytes for layer in layers)
    schemes = {
        QINT8: SchemeResult(total // 3, relative_error=0.0056),
        QINT4: SchemeResult(total // 5, relative_error=0.101),
        HALF: SchemeResult(total // 2, relative_error=0.00014, overflow=39, underflow=96),
    }
    return Model(
        name="student",
        class_="Student",
        file="net.py",
        line=40,
        weights="checkpoint",
        weights_from="student.safetensors",
        parameters=sum(layer.parameters for layer in layers),
        bytes=total,
        buffer_bytes=4096,
        dtypes={"float32": total // 4},
        schemes=schemes,
        layers=tuple(layers),
        lines=(Line("net.py", 29, ("embedding",), 1, 1000 * WIDTH, 4000 * WIDTH),),
        problems=(
            Problem("inferred-type", "head was taken for a Linear", "net.py", 31, None, "information"),
        ),
    )


def whole_report() -> Report:
    warning = Problem(
        "no-slice", "teacher depends on argparse; pass it as a constant", "net.py", 50, 5, "warning"
    )
    environment = Environment("3.11.7", "2.13.0", "cpu", "a processor")
    return Report("0.1.0", environment, (transformer(),), (warning,))


@pytest.fixture
def model() -> Model:
    """A small decoder of 12 equal blocks with a tied head, made by `net.py`."""
    return transformer()


@pytest.fixture
def report() -> Report:
    """The model, and a warning about another one that could not be sliced."""
    return whole_report()


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))

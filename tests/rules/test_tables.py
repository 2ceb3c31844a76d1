"""What the rules say about libraries, asked of the libraries themselves."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from bitlens.rules import half_unsupported, never_converted, quanto_dtype, quanto_moved
from torch import nn

quanto = pytest.importorskip("optimum.quanto")
SQUARE = (torch.eye(4) * 2).half()
ROW = torch.linspace(0.1, 1, 16).half()
LONG = torch.linspace(0, 1, 64).half()


def arguments(name: str) -> Callable[[Callable[..., object]], object]:
    """How to call a function of torch with a small float16 input."""
    special: dict[str, Callable[[Callable[..., object]], object]] = {
        "solve": lambda f: f(SQUARE, SQUARE),
        "lstsq": lambda f: f(SQUARE, SQUARE),
        "solve_triangular": lambda f: f(SQUARE, SQUARE, upper=True),
        "cdist": lambda f: f(SQUARE, SQUARE),
        "quantile": lambda f: f(ROW, 0.5),
        "nanquantile": lambda f: f(ROW, 0.5),
        "stft": lambda f: f(LONG, 16, return_complex=True, window=torch.ones(16).half()),
        "rrelu": lambda f: f(SQUARE, training=True),
        "multi_margin_loss": lambda f: f(SQUARE, torch.arange(4)),
        "ctc_loss": lambda f: f(
            SQUARE[:, None].log_softmax(-1), torch.tensor([[1]]), torch.tensor([4]), torch.tensor([1])
        ),
        "AvgPool3d": lambda f: f(2)(torch.ones(1, 1, 4, 4, 4).half()),  # type: ignore[operator]
    }
    return special.get(name.rpartition(".")[2], lambda f: f(SQUARE))


def resolve(name: str) -> Callable[..., object]:
    found: object = torch
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", sorted(half_unsupported.EVERYWHERE | half_unsupported.ON_CPU))
def test_it_takes_no_float16_on_a_cpu(name: str) -> None:
    with warnings.catch_warnings(), pytest.raises(RuntimeError, match=r"Half|float|dtype"):
        warnings.simplefilter("ignore")  # torch.svd and its like are deprecated
        arguments(name)(resolve(name))


def dynamic(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), {type(layer)}, dtype=torch.qint8)
    return model[0]


CONVERTED = {
    "Linear": nn.Linear(4, 4),
    "LSTM": nn.LSTM(4, 4),
    "GRU": nn.GRU(4, 4),
    "RNNCell": nn.RNNCell(4, 4),
    "LSTMCell": nn.LSTMCell(4, 4),
    "GRUCell": nn.GRUCell(4, 4),
}
LEFT = [
    *(nn.Conv1d(2, 2, 1), nn.Conv2d(2, 2, 1), nn.Conv3d(2, 2, 1), nn.ConvTranspose2d(2, 2, 1)),
    *(nn.BatchNorm2d(2), nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(2), nn.RMSNorm(4)),
    *(nn.Bilinear(2, 2, 2), nn.PReLU()),
]


def test_what_quantize_dynamic_converts() -> None:
    assert set(CONVERTED) == never_converted.DYNAMIC
    for layer in CONVERTED.values():
        assert type(dynamic(layer)) is not type(layer)


@pytest.mark.parametrize("layer", LEFT, ids=lambda layer: type(layer).__name__)
def test_what_quantize_dynamic_leaves_alone(layer: nn.Module) -> None:
    assert never_converted.SKIPPED.match(type(layer).__name__)
    assert type(dynamic(layer)) is type(layer)


@pytest.mark.parametrize("layer", [nn.Embedding(4, 4), nn.EmbeddingBag(4, 4)], ids=lambda m: type(m).__name__)
def test_what_quantize_dynamic_refuses(layer: nn.Module) -> None:
    assert type(layer).__name__ in never_converted.REFUSED
    with pytest.raises(AssertionError, match="float_qparams_weight_only_qconfig"):
        dynamic(layer)


def test_the_names_that_quanto_kept() -> None:
    assert set(dir(quanto)) >= quanto_moved.KEPT


def test_quanto_refuses_torchs_dtypes_and_has_the_formats_that_are_offered() -> None:
    for name, wanted in quanto_dtype.FORMATS.items():
        assert isinstance(getattr(quanto, wanted), quanto.qtype)
        dtype = getattr(torch, name, None)
        if isinstance(dtype, torch.dtype) and name != "qint8":
            with pytest.raises(KeyError):
                quanto.quantize(nn.Sequential(nn.Linear(4, 4)), weights=dtype)


def test_torch_quantization_offers_what_torch_ao_does() -> None:
    import torch.quantization as old
    from torch.ao import quantization as new

    shared = [name for name in dir(old) if name in dir(new) and not name.startswith("_")]
    assert len(shared) > 50
    assert all(getattr(old, name) is getattr(new, name) for name in shared if name[0].isupper())

"""The shapes that layers give, held against torch itself for drawn arguments."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bitlens.source.evaluate.layer_shapes import FORMULAS, shape_after
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

small = st.integers(1, 4)
CHANNELS = 4


def sizes(draw: st.DrawFn, count: int, values: st.SearchStrategy[int]) -> Any:
    """One number for all dimensions, or one for each."""
    return draw(values | st.tuples(*[values] * count))


def windows(draw: st.DrawFn, name: str, count: int) -> dict[str, Any]:
    arguments = {
        "kernel_size": sizes(draw, count, small),
        "stride": sizes(draw, count, small),
        "padding": sizes(draw, count, st.integers(0, 2)),
        "dilation": sizes(draw, count, st.integers(1, 3)),
        "ceil_mode": draw(st.booleans()),
    }
    if name.startswith("Conv"):
        arguments.pop("ceil_mode")
        arguments.update(in_channels=CHANNELS, out_channels=draw(small))
        if name.startswith("ConvTranspose"):
            arguments["output_padding"] = sizes(draw, count, st.integers(0, 1))
        elif draw(st.booleans()):
            arguments["padding"] = draw(st.sampled_from(["same", "valid"]))
    if name.startswith(("AvgPool", "LPPool")):
        arguments.pop("dilation")
    if name.startswith("LPPool"):
        arguments.pop("padding")
        arguments["norm_type"] = 2.0
    return arguments


@st.composite
def layers(draw: st.DrawFn) -> tuple[str, dict[str, Any], tuple[int, ...]]:
    count = draw(st.integers(1, 3))
    kind = draw(
        st.sampled_from(["Conv", "ConvTranspose", "MaxPool", "AvgPool", "LPPool", "AdaptiveAvgPool", "Pad"])
    )
    shape = (2, CHANNELS, *draw(st.tuples(*[st.integers(1, 9)] * count)))
    if kind == "AdaptiveAvgPool":
        output = draw(st.tuples(*[small | st.none()] * count))
        return f"{kind}{count}d", {"output_size": output}, shape
    if kind == "Pad":
        amounts = draw(st.integers(0, 3) | st.tuples(*[st.integers(0, 3)] * (2 * count)))
        return f"ZeroPad{count}d", {"padding": amounts}, shape
    name = f"{kind}{count}d"
    return name, windows(draw, name, count), shape


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch about its own copies
@settings(max_examples=300, deadline=None)
@given(layers())
def test_a_shape_is_that_of_torch(drawn: tuple[str, dict[str, Any], tuple[int, ...]]) -> None:
    """What torch refuses may have any answer, since no such program runs; what is empty has none."""
    name, arguments, shape = drawn
    made = shape_after(FORMULAS[name], shape, SimpleNamespace(**arguments))
    try:
        expected = tuple(getattr(nn, name)(**arguments)(torch.zeros(shape)).shape)
    except (RuntimeError, TypeError, ValueError):
        return
    assert made == (expected if all(expected) else None)


EXACT: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("Linear", {"in_features": 5, "out_features": 3}, (2, 4, 5)),
    ("BatchNorm2d", {"num_features": 4}, (2, 4, 3, 3)),
    ("InstanceNorm1d", {"num_features": 4}, (2, 4, 3)),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (2, 4, 3, 3)),
    ("LayerNorm", {"normalized_shape": (3, 3)}, (2, 4, 3, 3)),
    ("Flatten", {"start_dim": 1, "end_dim": -1}, (2, 4, 3, 3)),
    ("Flatten", {"start_dim": -3, "end_dim": 2}, (2, 4, 3, 3)),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, -1)}, (2, 8, 3)),
    ("Upsample", {"size": None, "scale_factor": 1.5}, (2, 4, 3, 5)),
    ("Upsample", {"size": (7, 2), "scale_factor": None}, (2, 4, 3, 5)),
    ("PixelShuffle", {"upscale_factor": 2}, (2, 8, 3, 5)),
    ("PixelUnshuffle", {"downscale_factor": 2}, (2, 4, 6, 4)),
    ("GLU", {"dim": 1}, (2, 8, 3)),
    ("Unfold", {"kernel_size": (2, 3), "dilation": 1, "padding": 1, "stride": 2}, (2, 4, 6, 7)),
    (
        "Conv2d",
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1},
        (4, 5, 5),
    ),
    ("GELU", {}, (2, 3)),
    ("Softmax", {"dim": -1}, (2, 3)),
    ("Dropout2d", {"p": 0.5}, (2, 3, 4, 4)),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), EXACT)
def test_other_layers_give_the_shape_that_torch_gives(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    layer = getattr(nn, name)(**arguments)
    assert shape_after(FORMULAS[name], shape, SimpleNamespace(**arguments)) == tuple(
        layer(torch.zeros(shape)).shape
    )


def test_what_does_not_fit_has_no_shape() -> None:
    refused = SimpleNamespace(in_features=5, out_features=3)
    assert shape_after(FORMULAS["Linear"], (2, 4), refused) is None
    assert shape_after(FORMULAS["Linear"], None, refused) is None

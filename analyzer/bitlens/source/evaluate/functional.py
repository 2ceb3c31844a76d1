"""`torch.nn.functional`: the shapes of its results, by the formulas of the layers that do the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.layer_shapes import ELEMENTWISE, FORMULAS, each, padded, shape_after
from bitlens.source.evaluate.values import Tensor, Unknown

_OTHERS = """
    log_softmax leaky_relu leaky_relu_ alpha_dropout feature_alpha_dropout layer_norm rms_norm group_norm
    batch_norm instance_norm normalize prelu relu_ elu_ local_response_norm
"""
_SAME = frozenset((*_OTHERS.split(), *map(str.lower, ELEMENTWISE)))
_MAX = (("kernel_size", None), ("stride", None), ("padding", 0), ("dilation", 1), ("ceil_mode", False))
_AVERAGE = (("kernel_size", None), ("stride", None), ("padding", 0), ("ceil_mode", False))
_RESIZE = (("size", None), ("scale_factor", None))
_LIKE: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    **{f"max_pool{d}d": (f"MaxPool{d}d", (*_MAX, ("return_indices", False))) for d in (1, 2, 3)},
    **{f"avg_pool{d}d": (f"AvgPool{d}d", _AVERAGE) for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d": (f"AdaptiveAvgPool{d}d", (("output_size", None),)) for d in (1, 2, 3)},
    **{
        f"adaptive_max_pool{d}d": (f"AdaptiveMaxPool{d}d", (("output_size", None), ("return_indices", False)))
        for d in (1, 2, 3)
    },
    "interpolate": ("Upsample", _RESIZE),
    "upsample": ("Upsample", _RESIZE),
    "pixel_shuffle": ("PixelShuffle", (("upscale_factor", None),)),
    "pixel_unshuffle": ("PixelUnshuffle", (("downscale_factor", None),)),
    "glu": ("GLU", (("dim", -1),)),
    "unfold": ("Unfold", (("kernel_size", None), ("dilation", 1), ("padding", 0), ("stride", 1))),
}
"""A layer and the arguments that follow the input, with their defaults."""
_CONVOLUTION = (("bias", None), ("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))


def functional(name: str) -> Any:
    """The function of that name."""

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value, *rest = args or [kwargs.get("input")]
        if not isinstance(value, Tensor):
            return Unknown(f"F.{name}")
        if name in _SAME:
            return Tensor(value.shape, value.dtype)
        if name in _LIKE:
            layer, parameters = _LIKE[name]
            return Tensor(
                shape_after(FORMULAS[layer], value.shape, _bound(parameters, rest, kwargs)), value.dtype
            )
        special = _SPECIAL.get(name)
        return Unknown(f"F.{name}") if special is None else special(name, value, rest, kwargs)

    return Native(name, run)


def _bound(
    parameters: tuple[tuple[str, Any], ...], args: list[Any], kwargs: dict[str, Any]
) -> SimpleNamespace:
    names = [name for name, _ in parameters]
    return SimpleNamespace(**{**dict(parameters), **dict(zip(names, args, strict=False)), **kwargs})


def _pad(name: str, value: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    a = SimpleNamespace(pad=args[0] if args else kwargs.get("pad"))
    return Tensor(shape_after(lambda shape, a: padded(shape, tuple(a.pad)), value.shape, a), value.dtype)


def _linear(name: str, value: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    sizes = _weight(args, kwargs)
    a = SimpleNamespace(in_features=sizes[-1], out_features=sizes[0])
    return Tensor(shape_after(FORMULAS["Linear"], value.shape, a) if len(sizes) == 2 else None, value.dtype)


def _convolution(name: str, value: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    sizes, count = _weight(args, kwargs), int(name[4])
    if len(sizes) != count + 2:
        return Tensor(None, value.dtype)
    a = _bound(_CONVOLUTION, args[1:], {key: item for key, item in kwargs.items() if key != "weight"})
    a.out_channels, a.kernel_size = sizes[0], sizes[2:]
    a.in_channels = sizes[1] * a.groups if isinstance(sizes[1], int) and isinstance(a.groups, int) else None
    return Tensor(shape_after(FORMULAS[f"Conv{count}d"], value.shape, a), value.dtype)


def _weight(args: list[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    weight = args[0] if args else kwargs.get("weight")
    return each(weight.shape, len(weight.shape)) if isinstance(weight, Tensor) and weight.shape else (None,)


_SPECIAL = {"pad": _pad, "linear": _linear, **{f"conv{d}d": _convolution for d in (1, 2, 3)}}

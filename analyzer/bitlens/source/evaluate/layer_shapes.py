"""The shape that a layer of `torch.nn` gives for the shape that it gets, by torch's documented formulas.

Every function takes the input's shape and the layer's constructor arguments, and gives None where the layer
would refuse the input or the result is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

_NAMES = """
    ReLU ReLU6 GELU SiLU Sigmoid Tanh ELU SELU CELU LeakyReLU Hardswish Hardsigmoid Hardtanh Mish Softplus
    Softmax LogSoftmax Softmin Softsign Tanhshrink LogSigmoid RReLU Hardshrink Softshrink Threshold Softmax2d
    Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout
"""
ELEMENTWISE = tuple(_NAMES.split())
"""Layers that keep every shape."""
Shape = tuple[int, ...]
Formula = Callable[[Shape, SimpleNamespace], Shape | None]


def each(value: Any, count: int) -> tuple[Any, ...]:
    """`3` or `(3, 3)` as `count` sizes. Raises ValueError where there are others."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(sizes) != count:
        raise ValueError("sizes")
    return sizes


def _spatial(shape: Shape, count: int) -> tuple[Shape, Shape] | None:
    """What comes before the last `count` sizes, channels included, and these."""
    if len(shape) not in (count + 1, count + 2):
        return None
    return shape[:-count], shape[-count:]


def _possible(sizes: Shape) -> bool:
    return all(size > 0 for size in sizes)


def convolution(count: int) -> Formula:
    """`Conv1d` to `Conv3d`."""

    def formula(shape: Shape, a: SimpleNamespace) -> Shape | None:
        parts = _spatial(shape, count)
        if parts is None or parts[0][-1] != a.in_channels:
            return None
        kernel, stride, dilation = (each(value, count) for value in (a.kernel_size, a.stride, a.dilation))
        if a.padding == "same":
            sizes = parts[1]
        else:
            padding = each(0 if a.padding == "valid" else a.padding, count)
            sizes = tuple(
                (size + 2 * p - d * (k - 1) - 1) // s + 1
                for size, k, s, p, d in zip(parts[1], kernel, stride, padding, dilation, strict=True)
            )
        return (*parts[0][:-1], a.out_channels, *sizes) if _possible(sizes) else None

    return formula


def transposed_convolution(count: int) -> Formula:
    """`ConvTranspose1d` to `ConvTranspose3d`."""

    def formula(shape: Shape, a: SimpleNamespace) -> Shape | None:
        parts = _spatial(shape, count)
        if parts is None or parts[0][-1] != a.in_channels:
            return None
        given = (a.kernel_size, a.stride, a.padding, a.output_padding, a.dilation)
        sizes = tuple(
            (size - 1) * s - 2 * p + d * (k - 1) + more + 1
            for size, k, s, p, more, d in zip(parts[1], *(each(value, count) for value in given), strict=True)
        )
        return (*parts[0][:-1], a.out_channels, *sizes) if _possible(sizes) else None

    return formula


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    """How many windows fit; rounded up, one that begins in the padding behind the input is left out."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil else room // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def pooling(count: int) -> Formula:
    """`MaxPool`, `AvgPool` and `LPPool` in one to three dimensions."""

    def formula(shape: Shape, a: SimpleNamespace) -> Shape | None:
        parts = _spatial(shape, count)
        if parts is None or getattr(a, "return_indices", False):
            return None
        kernel = each(a.kernel_size, count)
        stride = each(a.stride, count) if a.stride not in (None, (), []) else kernel
        padding, dilation = each(getattr(a, "padding", 0), count), each(getattr(a, "dilation", 1), count)
        rows = zip(parts[1], kernel, stride, padding, dilation, strict=True)
        sizes = tuple(_windows(*row, bool(a.ceil_mode)) for row in rows)
        return (*parts[0], *sizes) if _possible(sizes) else None

    return formula


def adaptive_pooling(count: int) -> Formula:
    """`AdaptiveAvgPool` and `AdaptiveMaxPool`."""

    def formula(shape: Shape, a: SimpleNamespace) -> Shape | None:
        parts = _spatial(shape, count)
        if parts is None or getattr(a, "return_indices", False):
            return None
        wanted = zip(each(a.output_size, count), parts[1], strict=True)
        return (*parts[0], *(old if new is None else new for new, old in wanted))

    return formula


def padding(count: int) -> Formula:
    """`ZeroPad`, `ReflectionPad`, `ReplicationPad`, `CircularPad` and `ConstantPad`."""

    def formula(shape: Shape, a: SimpleNamespace) -> Shape | None:
        parts = _spatial(shape, count)
        return None if parts is None else padded(shape, each(a.padding, 2 * count))

    return formula


def padded(shape: Shape, amounts: tuple[int, ...]) -> Shape | None:
    """`F.pad`: two amounts for each size, the last one's first."""
    sizes = list(shape)
    if len(amounts) % 2 or len(amounts) > 2 * len(sizes):
        return None
    for index in range(0, len(amounts), 2):
        sizes[-1 - index // 2] += amounts[index] + amounts[index + 1]
    return tuple(sizes) if _possible(tuple(sizes)) else None


def linear(shape: Shape, a: SimpleNamespace) -> Shape | None:
    """`Linear`."""
    return (*shape[:-1], a.out_features) if shape and shape[-1] == a.in_features else None


def same(shape: Shape, a: SimpleNamespace) -> Shape | None:
    """Whatever works on each element."""
    return shape


def normalization(shape: Shape, a: SimpleNamespace) -> Shape | None:
    """`BatchNorm`, `InstanceNorm` and `GroupNorm` of batches."""
    channels = getattr(a, "num_features", getattr(a, "num_channels", None))
    return shape if len(shape) > 1 and shape[1] == channels else None


def layer_normalization(shape: Shape, a: SimpleNamespace) -> Shape | None:
    """`LayerNorm` and `RMSNorm`."""
    last = each(a.normalized_shape, 1) if isinstance(a.normalized_shape, int) else tuple(a.normalized_shape)
    return shape if shape[len(shape) - len(last) :] == last else None


def flattened(shape: Shape, start: int, end: int) -> Shape | None:
    """`torch.flatten`."""
    rank = max(len(shape), 1)
    if not (-rank <= start < rank and -rank <= end < rank) or start % rank > end % rank:
        return None
    start, end = start % rank, end % rank
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _unflattened(shape: Shape, a: SimpleNamespace) -> Shape | None:
    sizes = tuple(a.unflattened_size)
    if not isinstance(a.dim, int) or not -len(shape) <= a.dim < len(shape):
        return None
    at = a.dim % len(shape)
    if sizes.count(-1) == 1 and shape[at] % -math.prod(sizes) == 0:
        sizes = tuple(shape[at] // -math.prod(sizes) if size == -1 else size for size in sizes)
    return (*shape[:at], *sizes, *shape[at + 1 :]) if math.prod(sizes) == shape[at] else None


def resized(shape: Shape, a: SimpleNamespace) -> Shape | None:
    """`Upsample` and `F.interpolate`."""
    count = len(shape) - 2
    if count < 1:
        return None
    if a.size is not None:
        return (*shape[:2], *each(a.size, count))
    factors = each(a.scale_factor, count)
    return (*shape[:2], *(math.floor(size * f) for size, f in zip(shape[2:], factors, strict=True)))


def _shuffled(shape: Shape, a: SimpleNamespace) -> Shape | None:
    r = a.upscale_factor
    if len(shape) < 3 or shape[-3] % (r * r):
        return None
    return (*shape[:-3], shape[-3] // (r * r), shape[-2] * r, shape[-1] * r)


def _unshuffled(shape: Shape, a: SimpleNamespace) -> Shape | None:
    r = a.downscale_factor
    if len(shape) < 3 or shape[-2] % r or shape[-1] % r:
        return None
    return (*shape[:-3], shape[-3] * r * r, shape[-2] // r, shape[-1] // r)


def _halved(shape: Shape, a: SimpleNamespace) -> Shape | None:
    if not -len(shape) <= a.dim < len(shape) or shape[a.dim] % 2:
        return None
    at = a.dim % len(shape)
    return (*shape[:at], shape[at] // 2, *shape[at + 1 :])


def _unfolded(shape: Shape, a: SimpleNamespace) -> Shape | None:
    if len(shape) != 4:
        return None
    given = [each(value, 2) for value in (a.kernel_size, a.stride, a.padding, a.dilation)]
    counts = [
        _windows(size, kernel, stride, padding, dilation, False)
        for size, kernel, stride, padding, dilation in zip(shape[2:], *given, strict=True)
    ]
    return shape[0], shape[1] * math.prod(each(a.kernel_size, 2)), math.prod(counts)


def shape_after(formula: Formula, shape: Any, arguments: SimpleNamespace) -> Any:
    """The formula's shape; None where a size or an argument is not known."""
    if shape is None or not all(type(size) is int for size in shape):
        return None
    try:
        made = formula(shape, arguments)
    except (AttributeError, TypeError, ValueError, ArithmeticError):
        return None
    return made if made is not None and all(type(size) is int for size in made) else None


FORMULAS: dict[str, Formula] = {
    "Linear": linear,
    "Identity": same,
    "LayerNorm": layer_normalization,
    "RMSNorm": layer_normalization,
    "GroupNorm": normalization,
    "SyncBatchNorm": normalization,
    "LocalResponseNorm": same,
    "ChannelShuffle": same,
    "PReLU": same,
    "Embedding": lambda shape, a: (*shape, a.embedding_dim),
    "Flatten": lambda shape, a: flattened(shape, a.start_dim, a.end_dim),
    "Unflatten": _unflattened,
    "Upsample": resized,
    "UpsamplingNearest2d": resized,
    "UpsamplingBilinear2d": resized,
    "PixelShuffle": _shuffled,
    "PixelUnshuffle": _unshuffled,
    "GLU": _halved,
    "Unfold": _unfolded,
    **dict.fromkeys(ELEMENTWISE, same),
}
for _count in (1, 2, 3):
    FORMULAS[f"Conv{_count}d"] = convolution(_count)
    FORMULAS[f"ConvTranspose{_count}d"] = transposed_convolution(_count)
    for _name in ("MaxPool", "AvgPool", "LPPool"):
        FORMULAS[f"{_name}{_count}d"] = pooling(_count)
    for _name in ("AdaptiveAvgPool", "AdaptiveMaxPool"):
        FORMULAS[f"{_name}{_count}d"] = adaptive_pooling(_count)
    for _name in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad", "ConstantPad"):
        FORMULAS[f"{_name}{_count}d"] = padding(_count)
    for _name in ("BatchNorm", "InstanceNorm"):
        FORMULAS[f"{_name}{_count}d"] = normalization

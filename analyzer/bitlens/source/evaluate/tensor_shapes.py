"""Methods of tensors that change the shape."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.layer_shapes import FORMULAS, shape_after
from bitlens.source.evaluate.symbolic import Symbolic
from bitlens.source.evaluate.tensors import numel
from bitlens.source.evaluate.values import UNKNOWN, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.attributes import Attributes


def _size(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if target.shape is None:
        return UNKNOWN
    return tuple(target.shape) if not args else target.shape[args[0]]


def _reshape(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    sizes = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
    sizes = tuple(machine.iterate(sizes)) if not isinstance(sizes, Unknown) else None
    if sizes is None or any(isinstance(size, Unknown) and not isinstance(size, Symbolic) for size in sizes):
        return Tensor(None, target.dtype)
    total = numel(target.shape)
    known = 1
    for size in sizes:
        known = known * size if isinstance(size, int) and isinstance(known, int) and size != -1 else known
    if -1 in sizes:
        if not isinstance(total, int) or not known:
            return Tensor(None, target.dtype)
        sizes = tuple(total // known if size == -1 else size for size in sizes)
    return Tensor(sizes, target.dtype, target.values if len(sizes) == 1 else None)


def _transpose(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if target.shape is None or len(args) != 2 or not all(isinstance(arg, int) for arg in args):
        return Tensor(None, target.dtype)
    shape = list(target.shape)
    a, b = args
    shape[a], shape[b] = shape[b], shape[a]
    return Tensor(tuple(shape), target.dtype)


def _permute(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    order = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
    if target.shape is None or len(order) != len(target.shape):
        return Tensor(None, target.dtype)
    return Tensor(tuple(target.shape[axis] for axis in order), target.dtype)


def _unsqueeze(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    axis = args[0] if args else kwargs.get("dim")
    if target.shape is None or not isinstance(axis, int):
        return Tensor(None, target.dtype)
    shape = list(target.shape)
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
    values = [target.values] if isinstance(target.values, int | float) else None
    return Tensor(tuple(shape), target.dtype, values)


def _squeeze(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if target.shape is None:
        return Tensor(None, target.dtype)
    if args and isinstance(args[0], int):
        axis = args[0] % len(target.shape)
        shape = [size for index, size in enumerate(target.shape) if index != axis or size != 1]
    else:
        shape = [size for size in target.shape if size != 1]
    return Tensor(tuple(shape), target.dtype)


def _expand(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    sizes = tuple(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else tuple(args)
    if target.shape is None:
        return Tensor(None, target.dtype)
    padded = (1,) * (len(sizes) - len(target.shape)) + target.shape
    shape = tuple(old if new == -1 else new for new, old in zip(sizes, padded, strict=False))
    return Tensor(shape, target.dtype)


def _repeat(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    counts = tuple(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else tuple(args)
    if target.shape is None:
        return Tensor(None, target.dtype)
    padded = (1,) * (len(counts) - len(target.shape)) + target.shape
    multiply = machine.binary(__import__("ast").Mult)
    return Tensor(tuple(multiply(a, b) for a, b in zip(padded, counts, strict=False)), target.dtype)


def _flatten(machine: Attributes, target: Tensor, args: list[Any], kwargs: dict[str, Any]) -> Any:
    start = args[0] if args else kwargs.get("start_dim", 0)
    end = args[1] if len(args) > 1 else kwargs.get("end_dim", -1)
    if (start, end) == (0, -1):
        values = target.values if isinstance(target.values, list) else None
        return Tensor((numel(target.shape),), target.dtype, values)
    arguments = SimpleNamespace(start_dim=start, end_dim=end)
    return Tensor(shape_after(FORMULAS["Flatten"], target.shape, arguments), target.dtype)


def _reshape_like(args: list[Any], target: Tensor) -> Tensor:
    sizes = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
    return Tensor(tuple(sizes), target.dtype)


METHODS: dict[str, Callable[[Any, Tensor, list[Any], dict[str, Any]], Any]] = {
    "size": _size,
    "dim": lambda machine, target, args, kwargs: UNKNOWN if target.shape is None else len(target.shape),
    "numel": lambda machine, target, args, kwargs: numel(target.shape),
    "nelement": lambda machine, target, args, kwargs: numel(target.shape),
    "view": _reshape,
    "reshape": _reshape,
    "transpose": _transpose,
    "t": lambda machine, target, args, kwargs: _transpose(machine, target, [0, 1], {}),
    "permute": _permute,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "repeat": _repeat,
    "flatten": _flatten,
    "new_zeros": lambda machine, target, args, kwargs: _reshape_like(args, target),
    "new_ones": lambda machine, target, args, kwargs: _reshape_like(args, target),
    "new_empty": lambda machine, target, args, kwargs: _reshape_like(args, target),
}

"""`einops`: the shapes of `rearrange`, `repeat` and `reduce` on tensors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import UNKNOWN, Tensor

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_PART = re.compile(r"\(([^)]*)\)|(\S+)")


def einops_functions(machine: Machine) -> dict[str, Any]:
    """Functions by name; the layers of `einops.layers` are evaluated from their text."""

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
        tensor, pattern = args[0], next((arg for arg in args[1:] if isinstance(arg, str)), None)
        if not isinstance(tensor, Tensor):
            return UNKNOWN
        shape = None if pattern is None or tensor.shape is None else reshaped(pattern, tensor.shape, kwargs)
        return Tensor(shape, tensor.dtype)

    return {name: Native(name, run) for name in ("rearrange", "repeat", "reduce")}


def reshaped(pattern: str, shape: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...] | None:
    """The shape after `pattern`; None where its sizes are not all known."""
    left, arrow, right = pattern.partition("->")
    before, after = _groups(left), _groups(right)
    if not arrow or "..." in pattern or len(before) != len(shape):
        return None
    sizes = {name: size for name, size in given.items() if isinstance(size, int)}
    for group, size in zip(before, shape, strict=True):
        if not _solve(group, size, sizes):
            return None
    result = [_product(group, sizes) for group in after]
    return None if None in result else tuple(result)


def _groups(side: str) -> list[list[str]]:
    return [(group or "").split() if name == "" else [name] for group, name in _PART.findall(side)]


def _solve(group: list[str], size: Any, sizes: dict[str, int]) -> bool:
    """Note the one size of a group that is not known yet; False where the sizes do not fit."""
    unknown = [name for name in group if not name.isdigit() and name not in sizes]
    known = _product([name for name in group if name not in unknown], sizes)
    if not isinstance(size, int) or not known or len(unknown) > 1 or size % known:
        return False
    if unknown:
        sizes[unknown[0]] = size // known
    return bool(unknown) or known == size


def _product(group: list[str], sizes: dict[str, int]) -> int | None:
    total = 1
    for name in group:
        size = int(name) if name.isdigit() else sizes.get(name)
        if size is None:
            return None
        total *= size
    return total

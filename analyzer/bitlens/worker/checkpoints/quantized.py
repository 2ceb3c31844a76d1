"""Which tensors of a bare weights file are one quantized weight, told by the names that libraries write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError, TensorInfo, element_count

Parts = Mapping[str, TensorInfo]
"""Stored tensors of one weight, by their names in its module with `*` for the weight's own."""
_MOST_STATE = 1 << 16
"""Bytes of a tensor that says how another one is stored."""


@dataclass(frozen=True)
class QuantizedWeight:
    """One weight of a module, of which the file has codes, scales and the like."""

    method: str
    shape: tuple[int, ...]
    """Of the weight before, where the file tells; else that of its codes."""
    parts: dict[str, str]
    """By name in the module, the name of each stored tensor."""
    bytes: int


def _as_codes(checkpoint: Checkpoint, parts: Parts) -> tuple[int, ...]:
    return next(iter(parts.values())).shape


def _bitsandbytes(checkpoint: Checkpoint, parts: Parts) -> tuple[int, ...]:
    """As the JSON that bitsandbytes stores beside its codes says."""
    state = next(info for name, info in parts.items() if "quant_state" in name)
    if state.bytes > _MOST_STATE:
        return _as_codes(checkpoint, parts)
    return tuple(json.loads(bytes(checkpoint.read(state.name).tolist()))["shape"])


def _gptq(checkpoint: Checkpoint, parts: Parts) -> tuple[int, ...]:
    """Zeros are packed along the outputs; codes along the inputs by GPTQ, along the outputs by AWQ."""
    rows, columns = parts["qweight"].shape
    outputs, packed = parts["scales"].shape[1], parts["qzeros"].shape[1]
    return (outputs, rows * outputs // packed if columns == outputs else rows)


def _quanto(checkpoint: Checkpoint, parts: Parts) -> tuple[int, ...]:
    """Several codes a byte, along the first dimension, in groups that have a scale each."""
    return (parts["*._scale"].shape[0], *_as_codes(checkpoint, parts)[1:])


def _compressed(checkpoint: Checkpoint, parts: Parts) -> tuple[int, ...]:
    """As stored beside the codes; without that they are two FP4 a byte."""
    if "*_shape" in parts and parts["*_shape"].bytes <= _MOST_STATE:
        return tuple(checkpoint.read(parts["*_shape"].name).tolist())
    *rows, columns = parts["*_packed"].shape
    return (*rows, 2 * columns)


def _mxfp4(checkpoint: Checkpoint, parts: Parts) -> tuple[int, ...]:
    *rows, blocks, codes = parts["*_blocks"].shape
    return (*rows, blocks * codes * 2)


@dataclass(frozen=True)
class _Form:
    """How one library names its tensors; `*` is the weight's own name, `weight` where there is none."""

    method: str
    marker: str
    """The tensor that tells the form."""
    codes: str
    needed: str
    others: tuple[str, ...] = ()
    shape: Callable[[Checkpoint, Parts], tuple[int, ...]] = _as_codes
    dtype: str = ""
    """How that of the codes begins."""

    def owner(self, name: str) -> tuple[str, str] | None:
        """Path and name of the weight that the tensor `name` marks as quantized; None where it marks none."""
        start, star, end = self.marker.partition("*")
        if not name.endswith(end or start):
            return None
        words = name.split(".")
        count = self.marker.count(".") + 1
        path, last = ".".join(words[:-count]), ".".join(words[-count:])
        if not star:
            return (path, "weight") if last == start else None
        found = last[len(start) : len(last) - len(end)]
        return (path, found) if last.startswith(start) and found and "." not in found else None

    def parts(self, infos: Mapping[str, TensorInfo], path: str, owner: str) -> Parts:
        """The tensors of one weight, its codes first; none where they are not those of the form."""
        dot = f"{path}." if path else ""
        names = (self.codes, self.needed, self.marker, *self.others)
        keys = {name: dot + name.replace("*", owner) for name in names}
        parts = {name: infos[key] for name, key in keys.items() if key in infos}
        whole = self.codes in parts and self.needed in parts
        return parts if whole and parts[self.codes].dtype.startswith(self.dtype) else {}


_BITSANDBYTES = ("*.quant_map", "*.nested_absmax", "*.nested_quant_map")
_QUANTO = ("*._shift", "input_scale", "output_scale")
_COMPRESSED = ("*_shape", "*_zero_point", "*_g_idx", "*_global_scale", "input_global_scale")
_NF4, _FP4 = "*.quant_state.bitsandbytes__nf4", "*.quant_state.bitsandbytes__fp4"
_FORMS = (
    _Form("bitsandbytes", _NF4, "*", "*.absmax", _BITSANDBYTES, _bitsandbytes),
    _Form("bitsandbytes", _FP4, "*", "*.absmax", _BITSANDBYTES, _bitsandbytes),
    _Form("bitsandbytes", "SCB", "*", "SCB", ("weight_format",), dtype="int8"),
    _Form("gptq", "qweight", "qweight", "scales", ("qzeros", "g_idx"), _gptq),
    _Form("quanto", "*._data", "*._data", "*._scale", _QUANTO),
    _Form("quanto", "*._data._data", "*._data._data", "*._scale", _QUANTO, _quanto),
    _Form("torchao", "_*_qdata", "_*_qdata", "_*_scale", ("_*_zero_point",)),
    _Form("compressed-tensors", "*_packed", "*_packed", "*_scale", _COMPRESSED, _compressed),
    _Form("compressed-tensors", "*_scale", "*", "*_scale", ("*_zero_point", "input_scale"), dtype="int8"),
    _Form("mxfp4", "*_blocks", "*_blocks", "*_scales", (), _mxfp4),
    _Form("fp8", "*_scale", "*", "*_scale", ("input_scale",), dtype="float8"),
    _Form("fp8", "*_scale_inv", "*", "*_scale_inv", dtype="float8"),
)


def quantized_weights(checkpoint: Checkpoint) -> dict[tuple[str, str], QuantizedWeight]:
    """By path of the module and name in it, the weights that the checkpoint stores quantized."""
    infos = {name: checkpoint.info(name) for name in checkpoint.names()}
    found: dict[tuple[str, str], QuantizedWeight] = {}
    for name in infos:
        for form in _FORMS:
            owner = form.owner(name)
            parts = form.parts(infos, *owner) if owner else {}
            if owner and parts:
                dot = len(owner[0]) + 1 if owner[0] else 0
                keys = {info.name[dot:]: info.name for info in parts.values()}
                size = sum(info.bytes for info in parts.values())
                found[owner] = QuantizedWeight(form.method, _shape(checkpoint, form, parts, size), keys, size)
    return found


def _shape(checkpoint: Checkpoint, form: _Form, parts: Parts, size: int) -> tuple[int, ...]:
    """As the form has it, where that can be: no code takes less than a bit."""
    try:
        shape = form.shape(checkpoint, parts)
        natural = all(isinstance(length, int) and length >= 0 for length in shape)
        if natural and element_count(shape, 8 * size) is not None:
            return shape
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, RecursionError, CheckpointError):
        pass  # the file has other tensors under these names
    return _as_codes(checkpoint, parts)

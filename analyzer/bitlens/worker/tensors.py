"""What a module's tensors really store: dtype, bytes, who shares them; quantized tensors flattened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch

_Lazy = torch.nn.parameter.UninitializedTensorMixin  # type: ignore[attr-defined]


class Owned(NamedTuple):
    """A parameter or buffer that a module owns itself."""

    name: str
    kind: Literal["parameter", "buffer"]
    tensor: torch.Tensor


def has_size(tensor: torch.Tensor) -> bool:
    """Whether it has a shape: the tensors of a lazy module have none before its first input."""
    return not isinstance(tensor, _Lazy)


def dtype_name(tensor: Any) -> str:
    """torch's dtype name, or for a quantized tensor the name that its library gives the format."""
    qtype = getattr(tensor, "qtype", None)
    if qtype is not None and hasattr(qtype, "name"):
        return str(qtype.name)
    state = getattr(tensor, "quant_state", None)
    if state is not None:
        return str(state.quant_type)
    if is_quantized(tensor) and not tensor.dtype.is_floating_point:
        return str(tensor.dtype).replace("torch.", "")
    if hasattr(type(tensor), "__tensor_flatten__"):
        return type(tensor).__name__
    return str(tensor.dtype).replace("torch.", "")


def is_quantized(tensor: Any) -> bool:
    """Whether the values are codes of a numeric format rather than plain numbers."""
    return (
        bool(getattr(tensor, "is_quantized", False))
        or hasattr(type(tensor), "__tensor_flatten__")
        or getattr(tensor, "quant_state", None) is not None
        or getattr(tensor, "SCB", None) is not None
    )


def stored_bytes(tensor: Any) -> int:
    """Bytes that the tensor keeps in memory; of a quantized one codes, scales, zero points and padding.

    A traceable subclass names its inner tensors (`__tensor_flatten__`); bitsandbytes keeps them beside.
    """
    if hasattr(type(tensor), "__tensor_flatten__"):
        inner, _ = tensor.__tensor_flatten__()
        return sum(stored_bytes(getattr(tensor, name)) for name in inner)
    if getattr(tensor, "is_quantized", False):
        return _torch_quantized_bytes(tensor)
    beside = _bitsandbytes_state(tensor)
    return _plain_bytes(tensor) + sum(_plain_bytes(t) for t in beside)


def _plain_bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _torch_quantized_bytes(tensor: torch.Tensor) -> int:
    codes = tensor.int_repr()
    size = _plain_bytes(codes)
    if tensor.qscheme() in (
        torch.per_channel_affine,
        torch.per_channel_symmetric,
        torch.per_channel_affine_float_qparams,
    ):
        return (
            size
            + _plain_bytes(tensor.q_per_channel_scales())
            + _plain_bytes(tensor.q_per_channel_zero_points())
        )
    return size + 8 + 8  # one double scale and one int64 zero point


def _bitsandbytes_state(tensor: Any) -> list[torch.Tensor]:
    state = getattr(tensor, "quant_state", None)
    found: list[Any] = [getattr(tensor, "SCB", None)]
    if state is not None:
        nested = getattr(state, "state2", None)
        found += [state.absmax, state.code, getattr(state, "offset", None)]
        found += [nested.absmax, nested.code] if nested is not None else []
    return [t for t in found if isinstance(t, torch.Tensor)]


def shape_of(tensor: torch.Tensor) -> tuple[int, ...]:
    """Logical shape."""
    logical = getattr(getattr(tensor, "quant_state", None), "shape", None)
    return tuple(logical if logical is not None else tensor.shape)


def owned(module: torch.nn.Module) -> Iterator[Owned]:
    """Parameters, then buffers, that `module` itself registers; the packed ones of torch.ao's layers too."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            yield Owned(name, "parameter", parameter)
    yield from _packed(module)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            yield Owned(name, "buffer", buffer)


def _packed(module: torch.nn.Module) -> Iterator[Owned]:
    """torch.ao keeps weight and bias in an opaque packed object; its layer gives them back on request."""
    if not type(module).__module__.startswith("torch.ao.nn") or not hasattr(module, "_weight_bias"):
        return
    if type(module).__name__ == "LinearPackedParams":  # a quantized Linear's own part: it would count twice
        return
    weight, bias = _unpacked(module._weight_bias())  # type: ignore[operator]
    for name, tensor in {**weight, **bias}.items():
        yield Owned(name, "parameter", tensor)


def _unpacked(packed: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A linear or convolution gives (weight, bias or None), a recurrent layer two dicts by name."""
    if isinstance(packed, dict):
        return packed["weight"], packed["bias"]
    weight, bias = packed
    return {"weight": weight}, {} if bias is None else {"bias": bias}


class Ties:
    """Remembers which tensors were seen, so that shared storage counts once, at its first owner."""

    def __init__(self) -> None:
        self._names: dict[tuple[Any, ...], str] = {}
        self._keep: list[torch.Tensor] = []

    def first_owner(self, tensor: torch.Tensor, name: str) -> str | None:
        """The name under which this tensor was seen before; None (and remembered) the first time."""
        for key in self._keys(tensor):
            if key in self._names:
                return self._names[key]
        for key in self._keys(tensor):
            self._names[key] = name
        self._keep.append(tensor)  # an id is only unique while its object lives
        return None

    @staticmethod
    def _keys(tensor: torch.Tensor) -> Iterator[tuple[Any, ...]]:
        yield ("object", id(tensor))
        if tensor.device.type == "meta" or is_quantized(tensor):
            return
        if tensor.numel() == 0:
            return
        yield ("memory", tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)

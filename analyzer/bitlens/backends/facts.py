"""What is known of one layer without its values, and what a library decides from it. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bitlens.schemes.base import ITEM_BYTES

KEPT_HEAD = "transformers keeps the output embedding and tied weights in float"
KEPT_LAST = "transformers keeps the module of the last parameter in float"
KEPT_IN_FLOAT32 = "transformers keeps it in float: the class lists it in _keep_in_fp32_modules"


@dataclass(frozen=True)
class TensorFacts:
    """One parameter or buffer that a layer owns itself."""

    name: str
    kind: Literal["parameter", "buffer"]
    shape: tuple[int, ...]
    dtype: str
    """torch's dtype name without `torch.`; for a quantized tensor the library's name of the format."""
    bytes: int
    """Bytes of the tensor itself, whether or not it is tied."""
    requires_grad: bool = False
    tied_to: str | None = None
    """Full name of the tensor that holds this storage, where another layer owns it first."""


@dataclass(frozen=True)
class LayerFacts:
    """A module that owns at least one parameter or buffer itself."""

    path: str
    """Dotted path in the model; empty for the model itself."""
    type: str
    """Class name."""
    bases: tuple[str, ...]
    """Dotted names of the classes in the module's method resolution order, its own first."""
    tensors: tuple[TensorFacts, ...]
    kept: str | None = None
    """Why transformers' quantizers keep it in float, one of the texts below; None where they do not."""
    leaf: bool = True
    """Whether the module has no modules below it."""

    def tensor(self, name: str) -> TensorFacts | None:
        """The tensor of this name, or None."""
        return next((tensor for tensor in self.tensors if tensor.name == name), None)

    def is_a(self, *classes: str) -> bool:
        """Whether the module is an instance of one of these classes (dotted names)."""
        return not set(classes).isdisjoint(self.bases)


@dataclass(frozen=True)
class Decision:
    """What a library does with one layer."""

    converted: dict[str, int] = field(default_factory=dict)
    """Names of the tensors that it converts, each with the axis of its output channels."""
    reason: str | None = None
    """Why the layer is left alone; None where it is converted."""
    added_buffers: int = 0
    """Bytes of the buffers that the library adds to the layer."""
    keeps_ties: bool = True
    """Whether tied parameters still share storage after conversion."""
    casts: dict[str, str] = field(default_factory=dict)
    """Names of the tensors that the library casts, converted layer or not, each with its new dtype."""
    instead: str | None = None
    """Id of the scheme that the library falls back to for this layer."""
    note: str | None = None
    """What the library does differently in a layer that it converts."""


def left_alone(reason: str, casts: dict[str, str] | None = None) -> Decision:
    """The decision to convert nothing in a layer."""
    return Decision(reason=reason, casts=casts or {})


def cast_all(layer: LayerFacts, dtype: str) -> dict[str, str]:
    """Every floating tensor of a layer cast to one dtype."""
    return {tensor.name: dtype for tensor in layer.tensors if tensor.dtype in ITEM_BYTES}

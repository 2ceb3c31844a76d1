"""What is known of one layer without its values, and what a library decides from it. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


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
    output_embedding: bool = False
    """Whether transformers' quantizers skip it: its output embedding, or the owner of its last parameter."""

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
    recast: str | None = None
    """The dtype that the library casts the layer's other floating tensors to, converted or not."""


def left_alone(reason: str, recast: str | None = None) -> Decision:
    """The decision to convert nothing in a layer."""
    return Decision(reason=reason, recast=recast)

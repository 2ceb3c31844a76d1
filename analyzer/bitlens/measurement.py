"""The result types: one document about the models of one target, as plain frozen data.

The JSON form (`bitlens.analysis/1`, described by `analysis.schema.json`) has exactly these keys.
`None` means unknown and is never written as 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bitlens.problems import Problem

Weights = Literal["checkpoint", "initial", "shapes"]
"""Where the numbers come from: a checkpoint's values, freshly initialised values, or shapes alone."""
Certainty = Literal["exact", "range", "unknown"]


@dataclass(frozen=True, slots=True)
class SchemeResult:
    """What one numeric format does to a layer (or, in `Model.schemes`, to the whole model)."""

    bytes: int
    """Bytes of all parameters after conversion: codes, scales, zero points, padding, and what stays."""
    buffer_bytes: int = 0
    """Bytes of all buffers after the conversion; quanto, for example, adds two scales to a layer."""
    relative_error: float | None = None
    """‖W−Ŵ‖/‖W‖ (Frobenius) over the converted weights; None where none are, or no values are known."""
    interval: tuple[float, float] | None = None
    """Where `relative_error` is an estimate from sampled rows: a 95 % interval, as far as unread rows
    continue those that were read (`worker/estimate.py`)."""
    sqnr_db: float | None = None
    """−20·log10(relative_error); None where the error is None or 0."""
    max_abs_error: float | None = None
    overflow: int | None = None
    """Finite values that become ±inf (casts only)."""
    underflow: int | None = None
    """Nonzero values that become 0 (casts only)."""
    converted: bool = True
    """False where the library leaves this layer as it is."""
    instead: str | None = None
    """Id of the scheme that the library takes for this layer because the one asked for does not fit."""
    note: str | None = None
    """Why it is left alone, or what is special: non-finite weights, destroyed rows, an unverified formula."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One parameter or buffer that a layer owns itself."""

    name: str
    kind: Literal["parameter", "buffer"]
    shape: tuple[int, ...]
    dtype: str
    """torch's dtype name without `torch.`; for a quantized tensor the library's name of the format."""
    bytes: int
    """Bytes really stored (a quantized tensor subclass flattened); 0 is never used for unknown."""
    requires_grad: bool
    tied_to: str | None = None
    """Full name of the tensor that holds this storage, if it was counted there."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many of a layer's weights (its largest parameter's; evenly spaced ones of many) lie in each of
    equal steps.
    """

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A module that owns at least one parameter or buffer itself."""

    path: str
    type: str
    file: str | None
    """Where it was constructed; None if no source line constructed it (a bare checkpoint)."""
    line: int | None
    parameters: int
    """Elements of parameters, ties counted once in the model (at their first owner)."""
    bytes: int
    buffer_bytes: int
    dtype: str
    tensors: tuple[Tensor, ...]
    schemes: dict[str, SchemeResult] = field(default_factory=dict)
    note: str | None = None
    histogram: Histogram | None = None
    """None where it was not asked for, and where no values are known."""
    cell: int | None = None
    """In a notebook: the cell, counted from 1, in which `line` stands."""


@dataclass(frozen=True, slots=True)
class Line:
    """All modules that one source line constructs."""

    file: str
    line: int
    paths: tuple[str, ...]
    count: int
    parameters: int | None
    bytes: int | None
    certainty: Certainty = "exact"
    """`range`: parameters and bytes are the most that the line can make; `unknown`: nobody can tell."""
    least_parameters: int | None = None
    """For a range."""
    least_bytes: int | None = None
    formula: str | None = None
    """The parameters in terms of what is not known, e.g. `4·hidden²`."""
    missing: str | None = None
    """What the size depends on that is not known."""
    cell: int | None = None
    """In a notebook: the cell, counted from 1, in which `line` stands."""


@dataclass(frozen=True, slots=True)
class Model:
    """One measured model."""

    name: str
    class_: str
    file: str | None
    line: int | None
    weights: Weights
    weights_from: str | None
    parameters: int | None
    """None where a layer's size is not known from the source."""
    bytes: int | None
    buffer_bytes: int | None
    dtypes: dict[str, int]
    """Parameters by dtype, as far as they are known."""
    schemes: dict[str, SchemeResult]
    layers: tuple[Layer, ...]
    """Those whose size is known; others stand in `lines` alone."""
    lines: tuple[Line, ...]
    problems: tuple[Problem, ...] = ()
    cell: int | None = None
    """In a notebook: the cell, counted from 1, in which `line` stands."""

    @property
    def memory(self) -> int | None:
        """Bytes of parameters and buffers."""
        return None if self.bytes is None or self.buffer_bytes is None else self.bytes + self.buffer_bytes


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a measurement ran. All None for a static report."""

    python: str | None = None
    torch: str | None = None
    device: str | None = None
    device_name: str | None = None
    device_memory: int | None = None
    """Bytes that the device has in all, used or not."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole document."""

    bitlens: str
    environment: Environment
    models: tuple[Model, ...]
    problems: tuple[Problem, ...] = ()

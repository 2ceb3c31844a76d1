"""The kinds of facts that a file states about layers, models, dtypes and conversions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Attachment = Literal[
    "attribute",
    "sequential",
    "list",
    "comprehension",
    "append",
    "named",
    "dict",
    "variable",
    "return",
    "argument",
]
"""How a layer gets into its owner: `self.x = …`, inside nn.Sequential, in a list or comprehension, through
append or
insert, through a given name (add_module, OrderedDict, ModuleDict), in a dict, or only by way of a variable, a
returned value or another call's argument."""
Literals = tuple[tuple[str | int, object], ...]


@dataclass(frozen=True, slots=True)
class LayerFact:
    """One expression that constructs a module. Lines and columns count from 1, columns in characters."""

    line: int
    column: int
    end_line: int
    class_name: str
    """Dotted path, the file's own class name, or the source of an expression that holds a class."""
    owner: str | None
    """The class in whose method it stands."""
    function: str | None
    attribute: str | None
    """Path below self or the variable, e.g. `body.0`, `layers[]`; None where syntax does not tell."""
    attached: Attachment
    arguments: Literals
    """Literal arguments by position or keyword."""


@dataclass(frozen=True, slots=True)
class TensorFact:
    """A parameter or buffer registered directly."""

    line: int
    column: int
    kind: Literal["parameter", "buffer"]
    owner: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class ClassFact:
    """A class of modules."""

    line: int
    column: int
    name: str
    bases: tuple[str, ...]
    required: tuple[str, ...]
    """Constructor arguments without default."""


@dataclass(frozen=True, slots=True)
class ModelFact:
    """An expression that builds a model outside the classes of modules, or loads weights into one."""

    line: int
    column: int
    kind: str
    """As `models.Kind`, and `weights` for load_state_dict."""
    class_name: str
    variable: str | None
    function: str | None


@dataclass(frozen=True, slots=True)
class DtypeFact:
    """A place that sets or converts a floating or integer format."""

    line: int
    column: int
    dtype: str | None
    """torch's name without `torch.`, or None where it is not a literal."""
    how: Literal["argument", "method", "default", "autocast"]


@dataclass(frozen=True, slots=True)
class ConversionFact:
    """A call of a library that quantizes, prunes or adapts models."""

    line: int
    column: int
    library: str
    name: str
    """The dotted name that is called."""
    action: Literal["quantize", "freeze", "prepare", "convert", "configure", "prune", "load", "other"]
    variable: str | None
    """The model that it is given, where that is a name."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one file, each kind in the order of the text."""

    layers: tuple[LayerFact, ...] = ()
    tensors: tuple[TensorFact, ...] = ()
    classes: tuple[ClassFact, ...] = ()
    models: tuple[ModelFact, ...] = ()
    dtypes: tuple[DtypeFact, ...] = ()
    conversions: tuple[ConversionFact, ...] = ()

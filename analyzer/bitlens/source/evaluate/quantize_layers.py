"""What a library's quantizer leaves of layers, by our backends' rules.

A layer keeps the line that constructed it, whatever class a library puts in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens import backends, schemes
from bitlens.backends.facts import LayerFacts, TensorFacts
from bitlens.source.evaluate.module_methods import walk
from bitlens.source.evaluate.tensors import Quantized, stored_bytes
from bitlens.source.evaluate.values import ClassValue, ModuleInstance, Tensor

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Chosen = Callable[[str, ModuleInstance], bool]
_PARTS = {
    "linear": ("Linear", "NonDynamicallyQuantizableLinear", "Bilinear", "Identity"),
    "rnn": ("RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell"),
    "sparse": ("Embedding", "EmbeddingBag"),
    "module": ("Module",),
}
TORCH_CLASSES = {name: f"torch.nn.modules.{part}.{name}" for part, names in _PARTS.items() for name in names}


def facts(machine: Machine, path: str, module: ModuleInstance, kept: str | None = None) -> LayerFacts | None:
    """A module as the backends see it; None where a size or dtype is not known."""
    tensors = []
    for kind, table in (("parameter", module.params), ("buffer", module.buffers)):
        for name, value in table.items():
            if not isinstance(value, Tensor):
                continue
            size = stored_bytes(value)
            if size is None or value.shape is None:
                return None
            shape = tuple(part for part in value.shape if isinstance(part, int))
            tensors.append(TensorFacts(name, kind, shape, value.dtype.name, size, value.requires_grad))  # type: ignore[arg-type]
    leaf = not any(isinstance(part, ModuleInstance) for part in module.modules.values())
    return LayerFacts(path, module.cls.name, _bases(machine, module.cls), tuple(tensors), kept, leaf)


def _bases(machine: Machine, cls: ClassValue) -> tuple[str, ...]:
    return tuple(_dotted(machine, base) for base in cls.mro if isinstance(base, ClassValue))


def _dotted(machine: Machine, cls: ClassValue) -> str:
    if cls.module is not None:
        return f"{cls.module.name}.{cls.qualname}"
    if machine.torch_classes.get(cls.name) is not cls:
        return cls.name
    default = "conv" if "Conv" in cls.name else "module"
    return TORCH_CLASSES.get(cls.name, f"torch.nn.modules.{default}.{cls.name}")


def is_linear(machine: Machine, module: ModuleInstance) -> bool:
    """Whether a module is a Linear or of a class derived from it."""
    return machine.torch_classes["Linear"] in module.cls.mro


def convert(
    machine: Machine,
    root: ModuleInstance,
    scheme_id: str,
    name: str,
    chosen: Chosen,
    kept: Callable[[str], str | None] = lambda path: None,
    exact: bool = True,
) -> list[ModuleInstance]:
    """Quantize the weights that the scheme's library converts, in place; the modules that were changed.

    `name` is the format's name as a report says it; not `exact` where the stored bytes are not those of the
    scheme.
    """
    scheme = schemes.get(scheme_id)
    backend = backends.get(scheme.library)
    changed = []
    for path, module in list(walk(root)):
        layer = facts(machine, path, module, kept(path)) if chosen(path, module) else None
        if layer is None:
            continue
        decision = backend.converts(layer, scheme)
        for weight in decision.converted:
            value = module.params[weight]
            size = scheme.stored_bytes(value.shape, value.dtype.name) if exact else None
            module.params[weight] = Quantized(value.shape, name, size, value.is_parameter)
        for other, dtype in decision.casts.items():
            for table in (module.params, module.buffers):
                if isinstance(table.get(other), Tensor):
                    table[other].dtype = machine.dtypes[dtype]
        if decision.converted:
            changed.append(module)
    return changed


def rename(module: ModuleInstance, name: str) -> None:
    """The class that a library puts in the place of a module's."""
    module.cls = ClassValue(name, [module.cls], {}, module.cls.module)


def model_argument(args: list[Any], kwargs: dict[str, Any]) -> ModuleInstance | None:
    """The model that a quantizer is called with."""
    value = args[0] if args else kwargs.get("model")
    return value if isinstance(value, ModuleInstance) else None


def argument(args: list[Any], kwargs: dict[str, Any], index: int, name: str) -> Any:
    """An argument given by place or by name; None without one."""
    return args[index] if len(args) > index else kwargs.get(name)

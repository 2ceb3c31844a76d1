"""`torch.nn`: the classes of the layer table, `Module` with its methods, and the containers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import ClassMethod, Native
from bitlens.source.evaluate.module_methods import METHODS
from bitlens.source.evaluate.torch_composites import composite_classes
from bitlens.source.evaluate.torch_containers import container_classes
from bitlens.source.evaluate.torch_layers import BASES, LAZY, LOSSES, REQUIRED, ROWS, Row
from bitlens.source.evaluate.torch_transformer import transformer_classes
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, DType, ModuleInstance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def method(machine: Machine, name: str, function: Callable[..., Any]) -> Native:
    """A native function that binds as a method: `function(machine, self, args, kwargs)`."""
    return Native(name, lambda args, kwargs: function(machine, args[0], args[1:], kwargs), method=True)


def nn_classes(machine: Machine) -> dict[str, Any]:
    """Every class of `torch.nn` by name."""
    module = ClassValue(
        "Module", [], {name: method(machine, name, function) for name, function in METHODS.items()}
    )
    module.is_module = True
    classes: dict[str, Any] = {"Module": module}
    for name, base in BASES.items():
        classes[name] = ClassValue(name, [classes[base]], {})
    for row in ROWS:
        classes[row.name] = _layer_class(machine, row, classes[row.base])
    for name in ("Embedding", "EmbeddingBag"):
        native = Native("from_pretrained", functools.partial(_from_pretrained, machine), method=True)
        classes[name].ns["from_pretrained"] = ClassMethod(native)
    for name, (base, left_out) in LAZY.items():
        row = next(row for row in ROWS if row.name == base)
        # A lazy norm has by default what no InstanceNorm has: weights and running statistics.
        given = dict.fromkeys(("affine", "track_running_stats"), True)
        kept = tuple((p[0], given.get(p[0], p[1])) for p in row.parameters if p[0] != left_out)
        lazy = Row(name, kept, row.tensors)
        classes[name] = _layer_class(machine, lazy, classes[base], left_out)
    for name in LOSSES:
        classes[name] = _loss_class(machine, name, module)
    classes.update(container_classes(machine, module))
    classes.update(transformer_classes(machine, classes))
    for name in ("FloatFunctional", "QuantStub", "DeQuantStub"):
        classes[name] = _layer_class(machine, Row(name, (("qconfig", None),), None), module)
    classes.update(composite_classes(machine, classes))
    parameter = ClassValue("Parameter", [], {})
    parameter.traits.add("parameter")
    parameter.ns["__new__"] = Native("Parameter", functools.partial(_parameter, machine))
    classes["Parameter"] = parameter
    classes["UninitializedParameter"] = parameter
    classes["Buffer"] = Native("Buffer", functools.partial(_buffer, machine))
    return classes


def _layer_class(machine: Machine, row: Row, base: ClassValue, left_out: str | None = None) -> ClassValue:
    cls = ClassValue(row.name, [base], {})
    init = method(machine, "__init__", functools.partial(_init_layer, row=row, left_out=left_out))
    init.attrs["parameters"] = row.parameters
    cls.ns["__init__"] = init
    return cls


def bind_row(machine: Machine, row: Row, args: list[Any], kwargs: dict[str, Any]) -> SimpleNamespace:
    """Constructor arguments by name. Raises the program's TypeError where they do not fit."""
    names = [name for name, _ in row.parameters]
    if row.name == "Identity":
        return SimpleNamespace()
    if len(args) > len(names):
        raise machine.error(
            "TypeError", f"{row.name}() takes {len(names)} arguments but {len(args)} were given"
        )
    bound = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            raise machine.error("TypeError", f"{row.name}() got an unexpected argument {name!r}")
        bound[name] = value
    for name, default in row.parameters:
        if name not in bound:
            if default is REQUIRED:
                raise machine.error("TypeError", f"{row.name}() misses the argument {name!r}")
            bound[name] = default
    return SimpleNamespace(**{name: _host(machine, value) for name, value in bound.items()})


def _host(machine: Machine, value: Any) -> Any:
    value = machine.host_value(value)
    if isinstance(value, Tensor) and isinstance(value.values, int):
        return value.values
    return int(value) if isinstance(value, float) and value.is_integer() and value > 1 else value


def _init_layer(
    machine: Machine,
    target: ModuleInstance,
    args: list[Any],
    kwargs: dict[str, Any],
    row: Row,
    left_out: str | None,
) -> None:
    bound = bind_row(machine, row, args, kwargs)
    if left_out is not None:
        setattr(bound, left_out, Unknown(f"{left_out}, known after the first input"))
    target.attrs.update((name, value) for name, value in vars(bound).items() if name not in _NOT_KEPT)
    if row.tensors is None:
        return
    dtype = bound.dtype if isinstance(getattr(bound, "dtype", None), DType) else machine.default_dtype
    special = dict(row.buffer_dtypes)
    doubtful = _doubtful(row, bound)
    _normalize(target, row)
    for kind, name, shape in row.tensors(bound):
        if kind == "parameter":
            target.params[name] = Tensor(shape, dtype, is_parameter=True)
            if name in doubtful:
                target.params[name].attrs["doubt"] = math.inf
        elif kind == "buffer":
            target.buffers[name] = Tensor(shape, machine.dtypes[special[name]] if name in special else dtype)
        else:
            target.params[name] = None
    if row.name == "MultiheadAttention":
        _output_projection(machine, target, bound)
    if getattr(bound, "_freeze", False) is True:
        target.params["weight"].requires_grad = False


def _from_pretrained(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`Embedding.from_pretrained(embeddings, freeze=True, …)`; the rest are options of the constructor."""
    given = dict(zip(("embeddings", "freeze"), args[1:], strict=False)) | kwargs
    if "embeddings" not in given:
        raise machine.error("TypeError", "from_pretrained() misses the argument 'embeddings'")
    table, freeze = given.pop("embeddings"), given.pop("freeze", True)
    known = isinstance(table, Tensor) and table.shape is not None and len(table.shape) == 2
    rows, columns = table.shape if known else (Unknown("rows"), Unknown("columns"))
    made = machine.call(args[0], [rows, columns, *args[3:]], given)
    weight = made.params.get("weight") if isinstance(made, ModuleInstance) else None
    if weight is not None:
        weight.dtype = table.dtype if isinstance(table, Tensor) else None
        weight.requires_grad = freeze is False
    return made


def _doubtful(row: Row, bound: SimpleNamespace) -> set[str]:
    """Parameters that are there or not by a switch, such as `bias`, that is not known."""
    switches = [name for name, default in row.parameters if isinstance(default, bool)]
    unknown = {name: False for name in switches if isinstance(getattr(bound, name), Unknown)}
    if not unknown or row.tensors is None:
        return set()
    off = SimpleNamespace(**{**vars(bound), **unknown})
    kept = {name for kind, name, _ in row.tensors(off) if kind == "parameter"}
    return {name for kind, name, _ in row.tensors(bound) if kind == "parameter"} - kept


_NOT_KEPT = frozenset(("bias", "device", "dtype", "_weight", "_freeze"))


def _normalize(target: ModuleInstance, row: Row) -> None:
    """Attributes that torch stores in another form than they were given."""
    if row.base in ("_ConvNd", "_ConvTransposeNd"):
        count = int(row.name[-2])
        for name in ("kernel_size", "stride", "padding", "dilation", "output_padding"):
            value = target.attrs.get(name)
            if isinstance(value, int):
                target.attrs[name] = (value,) * count
    if row.name in ("LayerNorm", "RMSNorm") and isinstance(target.attrs.get("normalized_shape"), int):
        target.attrs["normalized_shape"] = (target.attrs["normalized_shape"],)


def _output_projection(machine: Machine, target: ModuleInstance, bound: SimpleNamespace) -> None:
    machine.inside_torch += 1
    try:
        cls = machine.torch_classes["NonDynamicallyQuantizableLinear"]
        arguments = {"bias": bound.bias, "dtype": bound.dtype}
        target.modules["out_proj"] = machine.call(cls, [bound.embed_dim, bound.embed_dim], arguments)
    finally:
        machine.inside_torch -= 1
    known = isinstance(bound.embed_dim, int) and isinstance(bound.num_heads, int) and bound.num_heads
    target.attrs["head_dim"] = bound.embed_dim // bound.num_heads if known else UNKNOWN
    same = bound.kdim in (None, bound.embed_dim) and bound.vdim in (None, bound.embed_dim)
    target.attrs["_qkv_same_embed_dim"] = same


def _loss_class(machine: Machine, name: str, module: ClassValue) -> ClassValue:
    def init(machine: Machine, target: ModuleInstance, args: list[Any], kwargs: dict[str, Any]) -> None:
        target.attrs.update({"reduction": "mean", **kwargs})
        weight = kwargs.get("weight", args[0] if args else None)
        if isinstance(weight, Tensor) and name in (
            "CrossEntropyLoss",
            "NLLLoss",
            "BCELoss",
            "BCEWithLogitsLoss",
        ):
            target.buffers["weight"] = weight
        if isinstance(kwargs.get("pos_weight"), Tensor):
            target.buffers["pos_weight"] = kwargs["pos_weight"]

    return ClassValue(name, [module], {"__init__": method(machine, "__init__", init)})


def _parameter(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    data = kwargs.get("data", args[1] if len(args) > 1 else None)
    grad = kwargs.get("requires_grad", args[2] if len(args) > 2 else True)
    shape, dtype = (data.shape, data.dtype) if isinstance(data, Tensor) else (None, machine.default_dtype)
    made = Tensor((0,) if data is None else shape, dtype, is_parameter=True)
    made.requires_grad = grad is not False
    return made


def _buffer(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    data = args[0] if args else kwargs.get("data")
    made = (
        Tensor(data.shape, data.dtype, data.values)
        if isinstance(data, Tensor)
        else Tensor(None, machine.default_dtype)
    )
    made.attrs["buffer"] = True
    return made


__all__ = ["ModuleInstance", "bind_row", "method", "nn_classes"]

"""Libraries that quantize a model once it is built: what their calls leave of it, by our backends' rules.

A layer keeps the line that constructed it, whatever class a library puts in its place.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bitlens import backends, schemes
from bitlens.backends.facts import KEPT_HEAD, LayerFacts, TensorFacts
from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.module_methods import copied, walk
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.tensors import Quantized, stored_bytes
from bitlens.source.evaluate.values import ClassValue, DType, Instance, ModuleInstance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Chosen = Callable[[str, ModuleInstance], bool]
_PARTS = {
    "linear": ("Linear", "NonDynamicallyQuantizableLinear", "Bilinear", "Identity"),
    "rnn": ("RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell"),
    "sparse": ("Embedding", "EmbeddingBag"),
    "module": ("Module",),
}
_MODULES = {name: f"torch.nn.modules.{part}.{name}" for part, names in _PARTS.items() for name in names}
QTYPES = ("qint2", "qint4", "qint8", "qfloat8", "qfloat8_e4m3fn", "qfloat8_e5m2", "qfloat8_e4m3fnuz")
_TORCHAO = {
    "Int8WeightOnlyConfig": ("torchao.int8_weight_only", "Int8Tensor"),
    "Int8DynamicActivationInt8WeightConfig": ("torchao.int8_dynamic", "Int8Tensor"),
    "Float8WeightOnlyConfig": ("torchao.float8_weight_only", "Float8Tensor"),
    "IntxWeightOnlyConfig": ("torchao.intx4_g32", "IntxUnpackedToInt8Tensor"),
    "Int4WeightOnlyConfig": ("torchao.int4_weight_only", "Int4Tensor"),
}
"""Configuration to scheme, and the class of the tensors that it makes."""
_PLAIN: dict[str, dict[str, Any]] = {
    "torchao.intx4_g32": {"weight_dtype": "int4", "granularity": 32},
    "torchao.int4_weight_only": {"group_size": 128},
}
"""What has to be given for the storage that the scheme describes; without an entry, nothing."""
_DYNAMIC = ("Linear", "LSTM", "GRU", "LSTMCell", "RNNCell", "GRUCell")


def install_quantizers(machine: Machine) -> None:
    """Register the libraries, whether or not they are installed."""
    for name, table in (
        ("optimum.quanto", _quanto(machine)),
        ("torchao.quantization", _torchao(machine)),
        ("torchao.quantization.quant_api", _torchao(machine)),
        ("torchao.quantization.granularity", _granularities()),
        ("torch.ao.quantization", _torch_ao(machine)),
        ("torch.quantization", _torch_ao(machine)),
    ):
        made = Namespace(name, None, table)
        made.fallback = lambda member, name=name: Unknown(f"{name}.{member}")
        machine.imports.modules[name] = made
    torch = machine.imports.modules["torch"]
    torch.vars.update({name: DType(name, 0, "quantized") for name in ("int4", "uint4", "int2", "quint8")})
    torch.vars["ao"] = Namespace("torch.ao", None, {})
    torch.vars["ao"].fallback = lambda member: Unknown(f"torch.ao.{member}")
    machine.imports.modules["torch.ao"] = torch.vars["ao"]
    torch.vars["ao"].vars["quantization"] = machine.imports.modules["torch.ao.quantization"]
    torch.vars["quantization"] = machine.imports.modules["torch.quantization"]


# What a library decides


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
    return _MODULES.get(cls.name, f"torch.nn.modules.{default}.{cls.name}")


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


def _model(args: list[Any], kwargs: dict[str, Any]) -> ModuleInstance | None:
    value = args[0] if args else kwargs.get("model")
    return value if isinstance(value, ModuleInstance) else None


def _argument(args: list[Any], kwargs: dict[str, Any], index: int, name: str) -> Any:
    return args[index] if len(args) > index else kwargs.get(name)


# optimum-quanto


def _quanto(machine: Machine) -> dict[str, Any]:
    kind = ClassValue("qtype", [], {})
    table: dict[str, Any] = {}
    for name in QTYPES:
        table[name] = Instance(kind)
        table[name].attrs["name"] = "qfloat8_e4m3fn" if name == "qfloat8" else name

    def quantize(args: list[Any], kwargs: dict[str, Any]) -> None:
        root = _model(args, kwargs)
        if root is None:
            return
        weights, activations = (
            _argument(args, kwargs, 1, "weights"),
            _argument(args, kwargs, 2, "activations"),
        )
        include, exclude = _argument(args, kwargs, 4, "include"), _argument(args, kwargs, 5, "exclude")
        _quantize(machine, root, _qtype(weights), _qtype(activations), _matching(machine, include, exclude))

    def freeze(args: list[Any], kwargs: dict[str, Any]) -> None:
        root = _model(args, kwargs)
        if root is not None:
            freeze_quanto(machine, root)

    return {**table, "quantize": Native("quantize", quantize), "freeze": Native("freeze", freeze)}


def _qtype(value: Any) -> str | None:
    """The name of a format; empty where it is not known, None for none."""
    if value is None:
        return None
    name = value.attrs.get("name") if isinstance(value, Instance) else value
    return name if isinstance(name, str) else ""


def _matching(machine: Machine, include: Any, exclude: Any) -> Callable[[str], bool]:
    def patterns(value: Any) -> list[str]:
        return (
            [value]
            if isinstance(value, str)
            else [item for item in machine.iterate(value) if isinstance(item, str)]
        )

    def matches(path: str) -> bool:
        if include is not None and not any(fnmatch.fnmatch(path, one) for one in patterns(include)):
            return False
        return exclude is None or not any(fnmatch.fnmatch(path, one) for one in patterns(exclude))

    return matches


def _quantize(
    machine: Machine,
    root: ModuleInstance,
    weights: str | None,
    activations: str | None,
    matches: Callable[[str], bool],
) -> None:
    """Put quanto's classes in place; the weights stay as they are until they are frozen."""
    norm = machine.torch_classes["LayerNorm"]
    for path, module in list(walk(root)):
        layer = facts(machine, path, module) if matches(path) and "qtype" not in module.attrs else None
        if layer is None or not path:
            continue
        if norm in module.cls.mro and activations is not None:
            replace_by_quanto(machine, module, "QLayerNorm", None)
        elif layer.is_a(_MODULES["Linear"]):
            replace_by_quanto(machine, module, "QLinear", weights)
        elif layer.is_a("torch.nn.modules.conv.Conv2d"):
            replace_by_quanto(machine, module, "QConv2d", weights)


def replace_by_quanto(machine: Machine, module: ModuleInstance, name: str, weights: str | None) -> None:
    """Put one of quanto's classes in the place of a module's, its weights not yet frozen."""
    rename(module, name)
    module.attrs["qtype"] = weights
    weight = module.params.get("weight")
    dtype = weight.dtype if isinstance(weight, Tensor) else machine.default_dtype
    for scale in ("input_scale", "output_scale"):
        module.buffers[scale] = Tensor((), dtype)


def freeze_quanto(machine: Machine, root: ModuleInstance) -> None:
    """Replace the weights of quanto's modules by quantized ones."""
    for _, module in list(walk(root)):
        name = module.attrs.get("qtype")
        weight = module.params.get("weight")
        if not isinstance(name, str) or not isinstance(weight, Tensor) or isinstance(weight, Quantized):
            continue
        scheme_id = f"quanto.{'qfloat8' if name == 'qfloat8_e4m3fn' else name}"
        known = scheme_id in schemes.all_ids() and stored_bytes(weight) is not None
        size = schemes.get(scheme_id).stored_bytes(weight.shape or (), weight.dtype.name) if known else None
        module.params["weight"] = Quantized(weight.shape, name or "?", size, weight.is_parameter)


# torchao


def _torchao(machine: Machine) -> dict[str, Any]:
    def quantize(args: list[Any], kwargs: dict[str, Any]) -> None:
        root, config = _model(args, kwargs), _argument(args, kwargs, 1, "config")
        chooser = _argument(args, kwargs, 2, "filter_fn")
        if root is not None:
            quantize_torchao(machine, root, config, _filter(machine, chooser))

    configurations = {name: configuration_class(name) for name in _TORCHAO}
    return {**_granularities(), **configurations, "quantize_": Native("quantize_", quantize)}


def _granularities() -> dict[str, Any]:
    return {name: configuration_class(name) for name in ("PerGroup", "PerRow", "PerTensor", "PerAxis")}


def configuration_class(name: str) -> ClassValue:
    """A class that keeps what it is called with."""

    def init(args: list[Any], kwargs: dict[str, Any]) -> None:
        args[0].attrs.update(given=tuple(args[1:]), **kwargs)

    return ClassValue(name, [], {"__init__": Native("__init__", init, method=True)})


def _filter(machine: Machine, chooser: Any) -> Chosen:
    def chosen(path: str, module: ModuleInstance) -> bool:
        if chooser is None:
            return True
        return is_linear(machine, module) and machine.truth(machine.call(chooser, [module, path], {})) is True

    return chosen


def quantize_torchao(
    machine: Machine,
    root: ModuleInstance,
    config: Any,
    chosen: Chosen,
    kept: Callable[[str], str | None] = lambda path: None,
) -> None:
    """`quantize_`, with a configuration that is known or not."""
    name = config.cls.name if isinstance(config, Instance) else ""
    scheme, tensor = _TORCHAO.get(name, ("torchao.int8_weight_only", "?"))
    exact = isinstance(config, Instance) and name in _TORCHAO and _is_plain(config, scheme)
    for module in convert(machine, root, scheme, tensor, chosen, kept, exact):
        module.params["weight"].requires_grad = False


def _is_plain(config: Instance, scheme: str) -> bool:
    """Whether a configuration stores what the scheme says."""
    given = {
        key: _plain(value)
        for key, value in config.attrs.items()
        if key not in ("given", "version", "set_inductor_config")
    }
    return not config.attrs.get("given") and given == {**_PLAIN.get(scheme, {})}


def _plain(value: Any) -> Any:
    if isinstance(value, DType):
        return value.name
    if isinstance(value, Instance) and value.cls.name == "PerGroup":
        return next(iter([*value.attrs.get("given", ()), value.attrs.get("group_size")]), None)
    return value


# torch.ao


def _torch_ao(machine: Machine) -> dict[str, Any]:
    def dynamic(args: list[Any], kwargs: dict[str, Any]) -> Any:
        root, spec = _model(args, kwargs), _argument(args, kwargs, 1, "qconfig_spec")
        dtype = kwargs.get("dtype", args[2] if len(args) > 2 else qint8)
        inplace = kwargs.get("inplace", args[4] if len(args) > 4 else False)
        if root is None or dtype is not qint8 or isinstance(spec, Unknown):
            return Unknown("what quantize_dynamic gives in another format than qint8")
        model = root if inplace is True else copied(root, {})
        _dynamic(machine, model, spec)
        return model

    qint8 = machine.imports.modules["torch"].vars.setdefault("qint8", DType("qint8", 0, "quantized"))
    return {"quantize_dynamic": Native("quantize_dynamic", dynamic)}


def _dynamic(machine: Machine, model: ModuleInstance, spec: Any) -> None:
    keys = list(machine.iterate(spec)) if spec is not None else list(_DYNAMIC)
    names = [key.name if isinstance(key, ClassValue) else key for key in keys]
    every = {machine.torch_classes[name] for name in _DYNAMIC}

    def chosen(path: str, module: ModuleInstance) -> bool:
        below = any(path == name or path.startswith(f"{name}.") for name in names)
        return module.cls in every and (below or module.cls.name in names)

    for module in convert(machine, model, "torch_ao.dynamic_int8", "qint8", chosen):
        for value in module.params.values():
            if isinstance(value, Quantized):
                value.requires_grad = False
        _packed(machine, module)


def _packed(machine: Machine, module: ModuleInstance) -> None:
    """The submodules in which torch.ao keeps weights, which it makes for the module's own line."""
    if module.cls.name == "Linear":
        module.modules["_packed_params"] = _inner(machine, "LinearPackedParams", module)
    elif module.cls.name in ("LSTM", "GRU"):
        listed = module.modules["_all_weight_values"] = _inner(machine, "ModuleList", module)
        for index in range(sum(name.startswith("weight_ih") for name in module.params)):
            listed.modules[str(index)] = _inner(machine, "PackedParameter", module)


def _inner(machine: Machine, name: str, module: ModuleInstance) -> ModuleInstance:
    cls = ClassValue(name, [machine.torch_classes["Module"]], {})
    made = ModuleInstance(cls, module.site, module.certain, True)
    made.repeats = module.repeats
    return made


# What transformers keeps in float


def kept_by_transformers(root: ModuleInstance) -> Callable[[str], str | None]:
    """Why transformers' quantizers leave a layer alone: tied weights and the owner of the last parameter."""
    owners: dict[int, list[str]] = {}
    last = ""
    for path, module in walk(root):
        for name, value in module.params.items():
            if isinstance(value, Tensor):
                owners.setdefault(id(value), []).append(path)
                last = path if name == "weight" else ""
    tied = {path for paths in owners.values() if len(paths) > 1 for path in paths}
    kept = tied | {last, *_output_names(root)} - {""}
    return lambda path: KEPT_HEAD if path in kept else None


def _output_names(root: ModuleInstance) -> Iterator[str]:
    for name in ("lm_head", "embed_out", "output_projection"):
        if isinstance(root.modules.get(name), ModuleInstance):
            yield name

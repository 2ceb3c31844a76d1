"""What is known about libraries' inner workings, so that their plumbing need not be run: transformers, timm.

Nothing here knows an architecture. It is what `PreTrainedModel` and `PreTrainedConfig` do around any model:
attribute
maps, attention implementation, tied weights, `_from_config`; and which files are left out when the line that
creates a
layer is looked for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import ClassMethod, Function, Native
from bitlens.source.evaluate.dataclass_fields import field
from bitlens.source.evaluate.module_methods import submodule
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.patterns import compiled
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    DType,
    Instance,
    Lazy,
    ModuleInstance,
    Tensor,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

PLUMBING = frozenset(
    [
        "transformers.modeling_utils",
        "transformers.models.auto.auto_factory",
        "transformers.utils.generic",
        "transformers.utils.deprecation",
        "transformers.utils.import_utils",
        "timm.models._builder",
        "timm.models._factory",
        "timm.models._registry",
    ]
)
"""Modules whose frames never are the line that creates a layer."""
PLUMBING_FUNCTIONS = frozenset(
    {
        ("transformers.activations", "ClassInstantier.__getitem__"),
        ("transformers.activations", "get_activation"),
    }
)
_INERT = (
    "transformers.utils.auto_docstring",
    "transformers.utils.logging",
    "transformers.utils.hub",
    "transformers.utils.output_capturing",
    "transformers.utils.peft_utils",
    "transformers.utils.kernel_config",
    "transformers.utils.loading_report",
    "transformers.utils.chat_template_utils",
    "transformers.utils.quantization_config",
    "transformers.dynamic_module_utils",
    "transformers.integrations",
    "transformers.distributed",
    "transformers.quantizers",
    "transformers.core_model_loading",
    "transformers.generation.utils",
    "transformers.generation",
    "transformers.loss.loss_utils",
    "transformers.modeling_flash_attention_utils",
    "transformers.cache_utils",
    "transformers.masking_utils",
)
"""Modules that decorate, log, load and generate, but make no layer."""
_OF_MIXINS = ("push_to_hub", "generate", "prepare_inputs_for_generation")
"""Methods of theirs that other libraries take from a model and keep."""


def install_plumbing(machine: Machine) -> None:
    """Register what stands for the plumbing of libraries."""
    machine.imports.plumbing |= PLUMBING
    for name in _INERT:
        _inert(machine, name)
    _validated_fields(machine)
    config, model = "transformers.configuration_utils", "transformers.modeling_utils"
    table: dict[tuple[str, str], Callable[..., Any]] = {
        (config, "PreTrainedConfig.__getattribute__"): _config_getattr,
        (config, "PreTrainedConfig.__setattr__"): _config_setattr,
        (model, "PreTrainedModel.__init__"): _model_init,
        (model, "PreTrainedModel.__init_subclass__"): _model_subclass,
        (model, "PreTrainedModel.post_init"): _post_init,
        (model, "PreTrainedModel.init_weights"): _tie_weights,
        (model, "PreTrainedModel.tie_weights"): _tie_weights,
        (model, "PreTrainedModel._from_config"): _from_config,
        (model, "PreTrainedModel.from_pretrained"): _from_pretrained,
    }
    for key, function in table.items():
        machine.overrides[key] = _override(machine, function)


def _validated_fields(machine: Machine) -> None:
    """`huggingface_hub.dataclasses`: fields with validators are fields, `strict` changes no value."""
    identity = Native("strict", lambda args, kwargs: args[0] if args else identity)
    maker = Native("as_validated_field", lambda args, kwargs: Native("field", field))
    given = Native(
        "validated_field",
        lambda args, kwargs: field([], {k: v for k, v in kwargs.items() if k != "validator"}),
    )
    table = {"strict": identity, "as_validated_field": maker, "validated_field": given}
    module = Namespace("huggingface_hub.dataclasses", None, table)
    module.fallback = lambda member: Unknown(f"huggingface_hub.dataclasses.{member}")
    machine.imports.modules[module.name] = module


def _override(machine: Machine, function: Callable[..., Any]) -> Callable[[Function], Any]:
    def make(original: Function) -> Any:
        return Native(original.name, lambda args, kwargs: function(machine, args, kwargs), method=True)

    return make


def availability(machine: Machine, name: str) -> Any:
    """`is_x_available`: whether the package x is there as text."""
    package = name.removeprefix("is_").removesuffix("_available")
    known = {"torch": True, "vision": machine.imports.locate("PIL") is not None}
    found = known.get(
        package, machine.imports.locate(package) is not None if package.isidentifier() else False
    )
    return Native(name, lambda args, kwargs: found)


def _inert(machine: Machine, name: str) -> None:
    made = Namespace(name)

    def member(attribute: str) -> Any:
        below = f"{name}.{attribute}"
        if below in machine.imports.modules:
            return machine.imports.modules[below]
        if attribute.endswith(("Mixin", "Cache")):
            methods = {method: Native(method, lambda args, kwargs: UNKNOWN) for method in _OF_MIXINS}
            return ClassValue(attribute, [], dict(methods))
        if name == "transformers.generation" and attribute == "GenerationConfig":
            return machine.imports.member(
                "transformers.generation.configuration_utils", attribute, made, False
            )
        return Unknown(below)

    made.fallback = member
    machine.imports.modules[name] = made


# Configurations


def _map(target: Any) -> dict[str, str]:
    found = target.cls.lookup("attribute_map")
    return found if isinstance(found, dict) else {}


def _config_getattr(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    target, name = args
    if name != "attribute_map":
        name = _map(target).get(name, name)
    return machine.plain_attribute(target, name)


def _config_setattr(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> None:
    target, name, value = args
    machine.plain_setattr(target, _map(target).get(name, name), value)


# Models


def _model_init(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> None:
    target, config = args[0], args[1] if len(args) > 1 else kwargs.get("config")
    target.attrs.update(config=config, name_or_path="", generation_config=UNKNOWN, kernel_config=None)
    if not isinstance(config, Instance):
        return
    if machine.getattr(config, "_attn_implementation", None) is None:
        supported = target.cls.lookup("_supports_sdpa")
        config.attrs["_attn_implementation_internal"] = "sdpa" if supported is True else "eager"
    if machine.getattr(config, "_experts_implementation", None) is None:
        config.attrs["_experts_implementation_internal"] = "grouped_mm"


def _model_subclass(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> None:
    """`config_class` comes from the annotation of `config` where the class does not set it."""
    cls = args[0]
    if "config_class" in cls.ns or "config" not in cls.annotations:
        return
    _, thunk, frame = cls.annotations["config"]
    cls.set("config_class", Lazy(lambda: machine.classes.annotation(thunk, frame)))


def _post_init(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> None:
    _tie_weights(machine, args, kwargs)


def _tie_weights(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> None:
    target = args[0]
    mapping = machine.getattr(target, "_tied_weights_keys", None)
    config = target.attrs.get("config")
    if not isinstance(mapping, dict) or not isinstance(config, Instance):
        return
    if machine.truth(machine.getattr(config, "tie_word_embeddings", False)) is not True:
        return
    for destination, source in _expanded(target, mapping):
        owner, _, name = destination.rpartition(".")
        from_owner, _, from_name = source.rpartition(".")
        into, of = submodule(target, owner), submodule(target, from_owner)
        if not isinstance(into, ModuleInstance) or not isinstance(of, ModuleInstance):
            continue
        tensor = of.params.get(from_name, of.buffers.get(from_name))
        if isinstance(tensor, Tensor):
            machine.repetition.changed(into.number)
            (into.buffers if name in into.buffers else into.params)[name] = tensor


_PLAIN = re.compile(r"[A-Za-z0-9_.]+(weight|bias)$")


def _expanded(target: ModuleInstance, mapping: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    """Tied names, target and source, with patterns and modules expanded to the tensors that they mean."""
    pairs = [(a, b) for a, b in mapping.items() if isinstance(a, str) and isinstance(b, str)]
    if all(_PLAIN.match(a) and _PLAIN.match(b) for a, b in pairs):
        yield from pairs
        return
    names = sorted(_tensor_names(target))
    done: dict[str, str] = {}
    for destination, source in pairs:
        sources, destinations = _matching(source, names), _matching(destination, names)
        if not sources or len(destinations) % len(sources):
            continue
        for a, b in zip(destinations, itertools.cycle(sources)):
            done[a] = done.get(b, b)
    yield from done.items()


def _matching(pattern: str, names: list[str]) -> list[str]:
    found = compiled("^" + pattern)
    return [] if found is None else [name for name in names if found.search(name)]


def _tensor_names(root: ModuleInstance) -> Iterator[str]:
    """Names of all tensors by every path that leads to them."""
    pending: list[tuple[str, ModuleInstance, frozenset[int]]] = [("", root, frozenset())]
    while pending:
        path, module, above = pending.pop()
        if id(module) in above:
            continue
        for name, value in (*module.params.items(), *module.buffers.items()):
            if isinstance(value, Tensor):
                yield path + name
        for name, child in module.modules.items():
            if isinstance(child, ModuleInstance):
                pending.append((f"{path}{name}.", child, above | {id(module)}))


def _from_config(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    cls, config = args[0], args[1] if len(args) > 1 else kwargs.pop("config", UNKNOWN)
    dtype = kwargs.pop("dtype", kwargs.pop("torch_dtype", None))
    if dtype is None and isinstance(config, Instance):
        dtype = machine.getattr(config, "dtype", None)
    if isinstance(dtype, str):
        dtype = machine.dtypes.get(dtype)
    for name in ("attn_implementation", "experts_implementation", "allow_all_kernels"):
        value = kwargs.pop(name, MISSING)
        if value is not MISSING and name != "allow_all_kernels" and isinstance(config, Instance):
            machine.setattr(config, f"_{name}", value)
    saved = machine.default_dtype
    if isinstance(dtype, DType):
        machine.default_dtype = dtype
    try:
        return machine.call(cls, [config], kwargs)
    finally:
        machine.default_dtype = saved


def _from_pretrained(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """With a configuration in hand the architecture is known; the checkpoint's own is not read here."""
    config = kwargs.get("config")
    if isinstance(config, Instance) and isinstance(args[0], ClassValue):
        return _from_config(
            machine, [args[0], config], {k: kwargs[k] for k in ("dtype", "torch_dtype") if k in kwargs}
        )
    return Unknown("a model loaded from a checkpoint")


__all__ = ["PLUMBING_FUNCTIONS", "ClassMethod", "availability", "install_plumbing"]

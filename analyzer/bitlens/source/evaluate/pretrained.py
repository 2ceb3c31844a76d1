"""`from_pretrained` as far as files on this machine tell: the configuration, the dtype, and the quantization.

Only a checkpoint's config.json and the header of its weights are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens import schemes
from bitlens.backends import hub
from bitlens.problems import BitlensError
from bitlens.source.data_files import read_data
from bitlens.source.evaluate.callables import Function, Native
from bitlens.source.evaluate.module_methods import walk
from bitlens.source.evaluate.quantize_layers import convert, is_linear, rename
from bitlens.source.evaluate.quantize_quanto import freeze_quanto, replace_by_quanto
from bitlens.source.evaluate.quantize_torchao import configuration_class, quantize_torchao
from bitlens.source.evaluate.quantizers import kept_by_transformers
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    DType,
    Instance,
    ModuleInstance,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_HEADER = 100_000_000
_STORED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
_LOADING = frozenset(
    [
        "cache_dir",
        "code_revision",
        "config",
        "device_map",
        "dtype",
        "force_download",
        "ignore_mismatched_sizes",
        "local_files_only",
        "low_cpu_mem_usage",
        "max_memory",
        "output_loading_info",
        "quantization_config",
        "revision",
        "state_dict",
        "subfolder",
        "token",
        "torch_dtype",
        "trust_remote_code",
        "use_safetensors",
        "variant",
        "weights_only",
    ]
)
"""Arguments of `from_pretrained` that are not for the configuration."""


def install_pretrained(machine: Machine) -> None:
    """Let the classes of transformers load what lies on this machine."""
    auto, configuration = "transformers.models.auto.auto_factory", "transformers.configuration_utils"
    table: dict[tuple[str, str], Callable[..., Any]] = {
        ("transformers.modeling_utils", "PreTrainedModel.from_pretrained"): _load,
        (auto, "_BaseAutoModelClass.from_pretrained"): _load,
        (configuration, "PreTrainedConfig.from_pretrained"): _load_configuration,
        ("transformers.models.auto.configuration_auto", "AutoConfig.from_pretrained"): _load_configuration,
        (auto, "auto_class_update"): lambda machine, args, kwargs: args[0],
        (
            "transformers.models.auto.configuration_auto",
            "replace_list_option_in_docstrings",
        ): lambda machine, args, kwargs: Native("decorator", lambda inner, _: inner[0]),
    }
    for key, function in table.items():
        machine.overrides[key] = _override(machine, function)
    options = machine.imports.modules["transformers.utils.quantization_config"]
    for name in ("BitsAndBytesConfig", "QuantoConfig", "TorchAoConfig"):
        options.vars[name] = configuration_class(name)


def _override(machine: Machine, function: Callable[..., Any]) -> Callable[[Function], Any]:
    def make(original: Function) -> Any:
        return Native(original.name, lambda args, kwargs: function(machine, args, kwargs), method=True)

    return make


def checkpoint(machine: Machine, name: Any) -> Path | None:
    """The folder that a path or hub id of the program means, if it holds a config.json."""
    text = machine.files.name(name)
    if text is None or "\0" in text:
        return None
    folders = [Path(text)] if os.path.isabs(text) else [folder / text for folder in machine.imports.own]
    found = hub.snapshot(text) if hub.is_hub_id(text) else None
    for folder in [*folders, *([found] if found is not None else [])]:
        if (folder / "config.json").is_file():
            return folder
    return None


def _load_configuration(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`Config.from_pretrained(name, **changes)`."""
    name = args[1] if len(args) > 1 else kwargs.pop("pretrained_model_name_or_path", UNKNOWN)
    folder = checkpoint(machine, name)
    if folder is None:
        return _not_here(machine, name)
    values = _values(folder)
    kind = args[0] if args[0].name != "AutoConfig" else _kind(machine, values)
    if values is None or not isinstance(kind, ClassValue):
        return Unknown(f"the configuration of {folder}")
    changes = {key: value for key, value in kwargs.items() if key not in _LOADING}
    return machine.call(kind, [], {**values, **changes})


def _values(folder: Path) -> dict[str, Any] | None:
    try:
        return read_data(folder / "config.json")
    except BitlensError:
        return None


def _kind(machine: Machine, values: dict[str, Any] | None) -> Any:
    """The configuration class for a `model_type`, as transformers' own table has it."""
    module = machine.imports.module("transformers.models.auto.configuration_auto")
    mapping = machine.imports.get(module, "CONFIG_MAPPING") if module is not None else MISSING
    model_type = (values or {}).get("model_type")
    if mapping is MISSING or not isinstance(model_type, str):
        return UNKNOWN
    return machine.getitem(mapping, model_type)


def _load(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`Model.from_pretrained(name, …)`."""
    cls = args[0]
    name = args[1] if len(args) > 1 else kwargs.get("pretrained_model_name_or_path", UNKNOWN)
    folder = checkpoint(machine, name)
    config = kwargs.get("config")
    if not isinstance(config, Instance):
        if folder is None:
            return _not_here(machine, name)
        kind = machine.getattr(cls, "config_class", None) or _kind(machine, _values(folder))
        config = _load_configuration(machine, [kind, str(folder)], {})
    if not isinstance(config, Instance):
        return config
    others = _remaining(machine, config, {key: kwargs[key] for key in kwargs if key not in _LOADING})
    dtype = _dtype(machine, config, folder, kwargs)
    auto = cls.lookup("_model_mapping") is not MISSING
    build = machine.getattr(cls, "from_config" if auto else "_from_config")
    model = machine.call(build, [config], {**others, **({} if dtype is None else {"dtype": dtype})})
    if isinstance(model, ModuleInstance):
        _quantized(machine, model, kwargs.get("quantization_config"))
        machine.loaded_from = str(folder) if folder is not None else None
    return model


def _remaining(machine: Machine, config: Instance, given: dict[str, Any]) -> dict[str, Any]:
    """Set what the configuration has; the rest is for the model's constructor."""
    others, absent = {}, Unknown("absent")
    for key, value in given.items():
        if machine.getattr(config, key, absent) is absent:
            others[key] = value
        else:
            machine.setattr(config, key, value)
    return others


def _not_here(machine: Machine, name: Any) -> Unknown:
    text = machine.files.name(name)
    called = "a checkpoint whose name is not known" if text is None else f"the checkpoint {text!r}"
    way = f"; fetch it: hf download {text}" if text is not None and hub.is_hub_id(text) else ""
    message = f"{called} is not on this machine, so what it holds is not known{way}"
    frame = machine.frames[-1]
    machine.report("not-in-cache", message, frame.module.file, frame.line)
    return Unknown(message)


def _dtype(machine: Machine, config: Instance, folder: Path | None, kwargs: dict[str, Any]) -> Any:
    """What is asked for; else, or for `auto`, the configuration's dtype, else the checkpoint's."""
    asked = kwargs.get("dtype", kwargs.get("torch_dtype"))
    if isinstance(asked, str) and asked != "auto":
        asked = machine.dtypes.get(asked)
    if isinstance(asked, DType):
        return asked
    named = machine.getattr(config, "dtype", None)
    if isinstance(named, str | DType):
        return named
    return machine.dtypes.get(stored_dtype(folder) or "") if folder is not None else None


def stored_dtype(folder: Path) -> str | None:
    """The dtype of the first floating tensor of a folder's safetensors; None where there is none."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                header = json.loads(stream.read(length)) if length < _HEADER else {}
        except (OSError, ValueError, RecursionError):
            continue
        for name, tensor in header.items() if isinstance(header, dict) else ():
            if name != "__metadata__" and isinstance(tensor, dict) and tensor.get("dtype") in _STORED:
                return _STORED[tensor["dtype"]]
    return None


# What `quantization_config` makes of the model


def _quantized(machine: Machine, model: ModuleInstance, config: Any) -> None:
    if config is None:
        return
    name = config.cls.name if isinstance(config, Instance) else ""
    kept = kept_by_transformers(model)
    if name == "QuantoConfig":
        _quanto(machine, model, config)
    elif name == "TorchAoConfig":
        quantize_torchao(machine, model, _given(config, 0, "quant_type", None), _everything, kept)
    elif name == "BitsAndBytesConfig":
        _bitsandbytes(machine, model, config)
    else:
        convert(machine, model, "torchao.int8_weight_only", "?", _everything, kept, exact=False)


def _everything(path: str, module: ModuleInstance) -> bool:
    return True


def _quanto(machine: Machine, model: ModuleInstance, config: Instance) -> None:
    """transformers replaces Linear alone, and freezes when the weights are there."""
    kept = kept_by_transformers(model)
    weights = _given(config, 0, "weights", "int8")
    name = {"float8": "qfloat8_e4m3fn"}.get(weights, f"q{weights}") if isinstance(weights, str) else ""
    skipped = config.attrs.get("modules_to_not_convert") or []
    for path, module in list(walk(model)):
        listed = any(path == one or f".{one}." in f".{path}." for one in skipped if isinstance(one, str))
        if is_linear(machine, module) and kept(path) is None and not listed:
            replace_by_quanto(machine, module, "QLinear", name)
    freeze_quanto(machine, model)
    for _, module in walk(model):
        if "qtype" in module.attrs:
            module.params["weight"].requires_grad = False


def _bitsandbytes(machine: Machine, model: ModuleInstance, config: Instance) -> None:
    kept = kept_by_transformers(model)
    four = config.attrs.get("load_in_4bit") is True
    kind = config.attrs.get("bnb_4bit_quant_type", "fp4") if four else "int8"
    double = "_double" if four and config.attrs.get("bnb_4bit_use_double_quant") is True else ""
    scheme = f"bitsandbytes.{kind}{double}"
    exact = scheme in schemes.all_ids() and not config.attrs.get("given")
    if not four and config.attrs.get("load_in_8bit") is not True:
        return
    known = scheme if exact else "bitsandbytes.int8"
    for module in convert(machine, model, known, str(kind), _everything, kept, exact):
        rename(module, "Linear4bit" if four else "Linear8bitLt")
        module.params["weight"].requires_grad = False


def _given(config: Instance, index: int, name: str, default: Any) -> Any:
    given = config.attrs.get("given", ())
    return given[index] if len(given) > index else config.attrs.get(name, default)

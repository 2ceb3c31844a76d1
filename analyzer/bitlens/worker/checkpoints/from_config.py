"""The class that a checkpoint folder's config.json names, built without weights."""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch

from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.directory import read_config


def build_from_config(folder: str) -> torch.nn.Module:
    """Build the transformers class that `folder`/config.json names, on the meta device: shapes, no values.

    Only the configuration is read: no remote code, no network, no weights. CheckpointError `no-config`,
    `no-transformers`, `unknown-class` or `config-failed` says why it is impossible.
    """
    config = read_config(folder)
    if config is None:
        raise CheckpointError("no-config", "The folder has no config.json.", folder)
    transformers = _transformers(folder)
    named = _named_class(transformers, config)
    _refuse_unknown(transformers, config, named, folder)
    reader = transformers.AutoConfig if "model_type" in config or named is None else named.config_class
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            loaded = reader.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            model: torch.nn.Module = (named or _base_class(transformers, loaded))._from_config(loaded)
            return model
    except Exception as error:  # the configuration decides what the library's constructor raises
        message = (
            f"transformers cannot build the model of config.json: {type(error).__name__}: {str(error)[:300]}"
        )
        raise CheckpointError("config-failed", message, folder) from None


def _transformers(folder: str) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import transformers
    except ImportError as error:
        message = (
            f"config.json names a class of transformers, which this interpreter cannot import ({error})."
        )
        raise CheckpointError("no-transformers", message, folder) from None
    return transformers


def _named_class(transformers: Any, config: dict[str, Any]) -> Any:
    """The first class under `architectures` that is a model of this transformers, or None."""
    names = config.get("architectures")
    for name in names if isinstance(names, list) else []:
        found = getattr(transformers, name, None) if isinstance(name, str) else None
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    return None


def _refuse_unknown(transformers: Any, config: dict[str, Any], named: Any, folder: str) -> None:
    names = config.get("architectures")
    if named is None and names:
        message = f"transformers {transformers.__version__} has no model class {str(names)[:200]}."
        raise CheckpointError("unknown-class", message, folder)
    if named is None and "model_type" not in config:
        message = "config.json names no class of transformers (neither architectures nor model_type)."
        raise CheckpointError("unknown-class", message, folder)


def _base_class(transformers: Any, loaded: Any) -> Any:
    """The model without a head for a configuration; KeyError where the library has none."""
    found = transformers.MODEL_MAPPING[type(loaded)]
    return found[0] if isinstance(found, (tuple, list)) else found

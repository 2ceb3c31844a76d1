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
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            loaded = transformers.AutoConfig.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
            model: torch.nn.Module = _model_class(transformers, config, loaded, folder)._from_config(loaded)
            return model
    except CheckpointError:
        raise
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


def _model_class(transformers: Any, config: dict[str, Any], loaded: Any, folder: str) -> Any:
    """The class under `architectures`, else the base model of the configuration's type."""
    names = config.get("architectures") or []
    for name in names if isinstance(names, list) else []:
        found = getattr(transformers, name, None) if isinstance(name, str) else None
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    found = transformers.MODEL_MAPPING.get(type(loaded), None)
    if names or found is None:
        wanted = names or type(loaded).__name__
        message = f"transformers {transformers.__version__} has no model class for {wanted}."
        raise CheckpointError("unknown-class", message, folder)
    return found[0] if isinstance(found, (tuple, list)) else found

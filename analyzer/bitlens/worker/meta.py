"""Models that do not fit: built on the meta device, with a way to read what their checkpoints hold."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable

import torch

from bitlens.worker.checkpoints.layers import describe
from bitlens.worker.checkpoints.opening import locate, open_checkpoint
from bitlens.worker.loads import Loads


def note_state(
    loads: Loads,
    original: Callable[..., Any],
    model: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    **kwargs: Any,
) -> Any:
    """`load_state_dict` on meta: the original checks and copies nothing; tensors are kept to be read."""
    kwargs.pop("assign", None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
        result = original(model, state, **kwargs)
    modules = dict(model.named_modules())
    for key, tensor in state.items():
        path, _, name = key.rpartition(".")
        if path in modules:
            loads.keep(modules[path], name, partial(_same, tensor))
    return result


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def note_pretrained(
    loads: Loads, cls: Any, name: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> torch.nn.Module:
    """`from_pretrained` on meta: the class from its configuration, tensors read when needed.

    Raises CheckpointError where the checkpoint is not on this machine or broken.
    """
    config = kwargs.get("config")
    if config is None or isinstance(config, str):
        config = cls.config_class.from_pretrained(config or name, local_files_only=True)
    model: torch.nn.Module = cls._from_config(config, *args)
    dtype = kwargs.get("dtype", kwargs.get("torch_dtype"))
    if dtype not in (None, "auto"):
        model = model.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    file, _ = locate(str(name))
    described = describe(open_checkpoint(file), model=model)
    if described.class_name is None:
        raise described.problems[0]
    modules = dict(model.named_modules())
    for layer in described.layers:
        for tensor in layer.stored:
            loads.keep(modules[layer.path], tensor, partial(layer.read, tensor))
    return model

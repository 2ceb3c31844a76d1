"""From a checkpoint's tensor names to those of a model, by the rules that the model's library loads with."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError

_WRAPPERS = ("", "module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.")
"""Prefixes that DataParallel, torch.compile and Lightning put before every name."""
_ENDINGS = {
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}


@dataclass
class Source:
    """Where the values of one tensor of the model come from."""

    keys: list[str]
    """The checkpoint's tensors, in the order in which a conversion wants them."""
    read: Callable[[], torch.Tensor]
    converted: bool = False
    """Whether the library computes the tensor from `keys` (fuses experts, splits a joint projection)."""


@dataclass
class Matched:
    """Which tensors of the model a checkpoint holds, and what it holds besides."""

    sources: dict[str, Source] = field(default_factory=dict)
    unexpected: dict[str, str] = field(default_factory=dict)
    """By name in the checkpoint, the name that the model would have for it."""


def match(checkpoint: Checkpoint, model: torch.nn.Module) -> Matched:
    """Match every tensor of `checkpoint` to the parameter or buffer of `model` that it is loaded into."""
    targets = _names(model)
    if hasattr(model, "base_model_prefix"):
        conversions = _conversions(model)
        if conversions is not None:
            return _match_converted(checkpoint, model, targets, *conversions)
        return _match_renamed(checkpoint, targets, _older_renaming(model, targets))
    prefix = max(
        _WRAPPERS, key=lambda prefix: sum(_cut(name, prefix) in targets for name in checkpoint.names())
    )
    return _match_renamed(checkpoint, targets, lambda name: _cut(name, prefix))


def _names(model: torch.nn.Module) -> set[str]:
    """Full names of all parameters and buffers, ties under each of their names."""
    found = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return found | {name for name, _ in model.named_buffers(remove_duplicate=False)}


def _cut(name: str, prefix: str) -> str:
    return name[len(prefix) :] if name.startswith(prefix) else name


def _match_renamed(checkpoint: Checkpoint, targets: set[str], rename: Callable[[str], str]) -> Matched:
    matched = Matched()
    for key in checkpoint.names():
        _place(matched, checkpoint, targets, key, rename(key))
    return matched


def _place(matched: Matched, checkpoint: Checkpoint, targets: set[str], key: str, target: str) -> None:
    if target in targets and target not in matched.sources:
        matched.sources[target] = Source([key], lambda: checkpoint.read(key))
    else:
        matched.unexpected[key] = target


def _older_renaming(model: Any, targets: set[str]) -> Callable[[str], str]:
    """What transformers 4 renames: old names, one of a class's patterns, the base prefix."""
    patterns: dict[str, str] = getattr(model, "_checkpoint_conversion_mapping", None) or {}
    prefix = f"{model.base_model_prefix}."

    def rename(key: str) -> str:
        new = key if key in targets else _modern(key)
        for pattern, replacement in patterns.items():
            new, count = re.subn(pattern, replacement, new)
            if count:
                break
        if new not in targets:
            new = next((name for name in (prefix + new, _cut(new, prefix)) if name in targets), new)
        return new

    return rename


def _modern(name: str) -> str:
    """The name that a tensor has today, of norms from TensorFlow and of torch's older weight norm."""
    for ending, today in _ENDINGS.items():
        if name.endswith(ending):
            return name[: -len(ending)] + today
    return name


def _conversions(model: Any) -> tuple[list[Any], list[Any], Any] | None:
    """Renamings, converters and the renaming function of transformers 5; None where it has none."""
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key
    except ImportError:
        return None
    entries = get_model_conversion_mapping(model) or []
    renamings = [entry for entry in entries if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in entries if isinstance(entry, WeightConverter)]
    return renamings, converters, rename_source_key


def _match_converted(
    checkpoint: Checkpoint,
    model: Any,
    targets: set[str],
    renamings: list[Any],
    converters: list[Any],
    rename: Any,
) -> Matched:
    """transformers 5's key mapping: renamings, at most one converter, the base model's prefix."""
    state, prefix = dict.fromkeys(targets, True), model.base_model_prefix
    by_pattern = {pattern: entry for entry in converters for pattern in entry.source_patterns}
    groups: dict[str, _Group] = {}
    matched = Matched()
    for key in sorted(checkpoint.names(), key=_natural):
        target, pattern = rename(key, renamings, converters, prefix, state)
        if target not in targets and key in targets:
            target, pattern = key, None
        if pattern is None or target not in targets:
            _place(matched, checkpoint, targets, key, target)
        else:
            group = groups.setdefault(target, _Group(target, by_pattern[pattern], model, checkpoint))
            group.sources.append((key, pattern))
    for group in groups.values():
        for name in group.names(targets):
            keys = [key for key, _ in group.sources]
            matched.sources[name] = Source(keys, group.reader(name), converted=True)
    return matched


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key by which layer 2 comes before layer 10: the order in which experts are stacked."""
    return [
        (0, int(part), "") if re.fullmatch("[0-9]{1,18}", part) else (1, 0, part) for part in name.split(".")
    ]


class _Group:
    """Tensors of a checkpoint that one converter turns into one or several tensors of the model."""

    def __init__(self, target: str, converter: Any, model: Any, checkpoint: Checkpoint) -> None:
        self.sources: list[tuple[str, str]] = []
        self._target = target
        self._converter = converter
        self._model = model
        self._checkpoint = checkpoint

    def names(self, targets: set[str]) -> list[str]:
        """Full names of what the conversion gives."""
        first = next((part for part in self._converter.target_patterns if part in self._target), None)
        if first is None:
            return [self._target]
        named = [self._target.replace(first, part) for part in self._converter.target_patterns]
        return [name for name in named if name in targets]

    def reader(self, name: str) -> Callable[[], torch.Tensor]:
        """Reads the sources and converts them, when called."""
        return lambda: self._converted(name)

    def _converted(self, name: str) -> torch.Tensor:
        converter = deepcopy(self._converter)
        for key, pattern in self.sources:
            converter.add_tensor(self._target, key, pattern, self._checkpoint.read(key))
        try:
            found = converter.convert(self._target, model=self._model, config=self._model.config)[name]
        except Exception as error:  # the library's conversion of a checkpoint that is not what it expects
            what = f"{type(error).__name__}: {str(error)[:200]}"
            message = f"transformers cannot convert {self.sources[0][0]}: {what}"
            raise CheckpointError("unreadable", message, self._checkpoint.files[0]) from None
        tensor: torch.Tensor = found[0] if isinstance(found, list) else found
        return tensor

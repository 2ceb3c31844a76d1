"""What a program loaded: which modules hold checkpoint values, from where, and which tensors do not."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Callable

import torch

Read = Callable[[], torch.Tensor]


class Loads:
    """Filled by the patches while the program runs, read once its model is built."""

    def __init__(self) -> None:
        self.last_file: str | None = None
        """The file that was opened last; a state dict itself does not say where it is from."""
        self.sources: weakref.WeakKeyDictionary[torch.nn.Module, str] = weakref.WeakKeyDictionary()
        self.missing: weakref.WeakKeyDictionary[torch.nn.Module, set[str]] = weakref.WeakKeyDictionary()
        self.kept: weakref.WeakKeyDictionary[torch.nn.Module, dict[str, Read]] = weakref.WeakKeyDictionary()
        """For modules on meta: how to read each tensor's values, by its name in the module."""
        self.notes: list[str] = []

    def loaded(self, module: torch.nn.Module, source: str | None, missing: Sequence[str]) -> None:
        """Note that `module` holds the values of `source` (a path or hub id) except for `missing`."""
        self.sources[module] = source or self.last_file or "a state dict"
        self.missing[module] = set(missing)

    def keep(self, module: torch.nn.Module, name: str, read: Read) -> None:
        """Note how to read the values of one tensor of a module that is on meta."""
        self.kept.setdefault(module, {})[name] = read

    def note(self, text: str) -> None:
        """Say once what was done differently from the program's words."""
        if text not in self.notes:
            self.notes.append(text)

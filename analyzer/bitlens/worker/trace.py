"""Which source line constructed each module: the innermost call outside torch and library plumbing."""

from __future__ import annotations

import copy
import copyreg
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch

Place = tuple[str, int]
"""Absolute file name and 1-based line."""

_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_COPY = {copy.__file__, copyreg.__file__}

_PLUMBING = (
    "transformers/modeling_utils.py",
    "transformers/models/auto/auto_factory.py",
    "transformers/utils/generic.py",
    "transformers/utils/deprecation.py",
    "transformers/utils/import_utils.py",
    "timm/models/_builder.py",
    "timm/models/_factory.py",
    "timm/models/_registry.py",
    "/copy.py",
    "/copyreg.py",
    "/contextlib.py",
    "/functools.py",
    "/typing.py",
)
"""Files whose frames only pass a construction on: the line that the reader wants is the caller's."""

_PLUMBING_FUNCTIONS = {
    ("transformers/activations.py", "__getitem__"),
    ("transformers/activations.py", "get_activation"),
}

_CONVERTERS = (
    "/optimum/quanto/",
    "/torch/ao/",
    "/bitsandbytes/",
    "/hqq/",
    "/transformers/integrations/",
    "/transformers/quantizers/",
)
"""Folders of libraries that put a quantized module in the place of one that the program constructed."""
_CONVERTED = ("module", "mod", "linear_layer", "linear", "child")
"""Names under which their functions hold the module that is being replaced."""


class Before(NamedTuple):
    """What a quantizing library replaced: the class and the parameters of the module as it found it."""

    type: type
    parameters: dict[str, torch.Tensor]


class Constructions:
    """Where each module of a build was constructed, and what it was before a library quantized it."""

    def __init__(self) -> None:
        self._before: dict[int, Before] = {}
        self._places: dict[int, tuple[torch.nn.Module, Place | None]] = {}
        self._is_plumbing: dict[CodeType, bool] = {}

    def place(self, module: torch.nn.Module) -> Place | None:
        """File and line of the call that constructed `module`; None if it was made before tracing began."""
        found = self._places.get(id(module))
        return found[1] if found else None

    def before(self, module: torch.nn.Module) -> Before | None:
        """The module in whose place a quantizing library put `module`."""
        return self._before.get(id(module))

    def record(self, module: torch.nn.Module, frame: FrameType | None) -> None:
        """Remember the line of a module that is being created under `frame`."""
        original, depth = self._copied_from(frame)
        if depth <= 1:
            original = self._converted_from(frame)
            if original is not None:
                parameters = {name: p for name, p in original._parameters.items() if p is not None}
                self._before[id(module)] = self._before.get(id(original), Before(type(original), parameters))
        known = self._places.get(id(original))
        self._places[id(module)] = (module, known[1] if known else self._user_line(frame))

    def _converted_from(self, frame: FrameType | None) -> Any:
        """The module that a quantizing library is replacing with the one in creation; None outside of one."""
        while frame is not None:
            if any(folder in frame.f_code.co_filename.replace(os.sep, "/") for folder in _CONVERTERS):
                for name in _CONVERTED:
                    if id(frame.f_locals.get(name)) in self._places:
                        return frame.f_locals[name]
            elif not frame.f_code.co_filename.startswith(_TORCH):
                return None
            frame = frame.f_back
        return None

    def _copied_from(self, frame: FrameType | None) -> tuple[Any, int]:
        """The module that a deepcopy in progress copies, and how deep inside it we are (0: no copy)."""
        original, depth = None, 0
        while frame is not None and frame.f_code.co_filename in _COPY:
            if frame.f_code.co_name == "_reconstruct":
                depth += 1
                if depth == 1:
                    original = frame.f_locals.get("x")
            frame = frame.f_back
        return original, depth

    def _user_line(self, frame: FrameType | None) -> Place | None:
        while frame is not None:
            code = frame.f_code
            plumbing = self._is_plumbing.get(code)
            if plumbing is None:
                plumbing = self._is_plumbing[code] = _is_plumbing(code)
            if not plumbing:
                return os.path.abspath(code.co_filename), frame.f_lineno
            frame = frame.f_back
        return None


def _is_plumbing(code: CodeType) -> bool:
    name = code.co_filename.replace(os.sep, "/")
    return (
        code.co_filename.startswith((_TORCH, _OURS, "<"))
        or name.endswith(_PLUMBING)
        or any(name.endswith(f) and code.co_name == function for f, function in _PLUMBING_FUNCTIONS)
    )


_recording: list[Constructions] = []


@contextmanager
def constructions() -> Iterator[Constructions]:
    """Record every nn.Module that is created inside the block."""
    _install()
    seen = Constructions()
    _recording.append(seen)
    try:
        yield seen
    finally:
        _recording.remove(seen)


def _install() -> None:
    """Hook nn.Module's creation, once: a class whose `__new__` was set and deleted is not as it was."""
    base = torch.nn.Module
    if "__new__" in vars(base):
        return

    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        following = super(base, cls).__new__  # type: ignore[misc]
        module = following(cls) if following is object.__new__ else following(cls, *args, **kwargs)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_name == "__new__":
            frame = frame.f_back
        for seen in _recording:
            seen.record(module, frame)
        return module

    base.__new__ = __new__  # type: ignore[method-assign]

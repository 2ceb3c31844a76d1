"""What a user's program may not do, or must do differently, while it is measured.

Loads are noted (the report says where the weights come from), pickles load with `weights_only=True` whatever
the program asked for, remote code stays off, and `.cuda()` means the CPU where there is no GPU.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Callable

import torch

from bitlens.worker.failure import Refused
from bitlens.worker.loads import Loads
from bitlens.worker.meta import note_pretrained, note_state


def install(loads: Loads, meta: bool = False) -> None:
    """Patch torch now, and transformers and safetensors when the program imports them.

    With `meta`, loading keeps a way to the values instead of the values.
    """
    _patch_torch_load(loads, meta)
    _patch_load_state_dict(loads, meta)
    if not torch.cuda.is_available():
        _patch_cuda(loads)
    hooks: dict[str, Callable[[Any], None]] = {
        "safetensors.torch": lambda module: _note_files(module, ("load_file", "safe_open"), loads),
        "transformers.modeling_utils": lambda module: _patch_from_pretrained(
            module.PreTrainedModel, loads, meta
        ),
        "transformers.dynamic_module_utils": _refuse_remote_code,
    }
    sys.meta_path.insert(0, _PatchOnImport(hooks, meta))
    for name, patch in hooks.items():
        if name in sys.modules:
            patch(sys.modules[name])


class _PatchOnImport(importlib.abc.MetaPathFinder):
    """Runs a function on a module right after its first import.

    With `meta`, modules are executed outside the meta device: many make real tensors when they are imported.
    """

    def __init__(self, hooks: dict[str, Callable[[Any], None]], meta: bool) -> None:
        self._hooks = hooks
        self._meta = meta

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = self._hooks.get(name)
        if patch is None and not self._meta:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                    spec.loader.exec_module = self._executing(spec.loader.exec_module, patch)  # type: ignore[assignment, method-assign]
                return spec
        return None

    def _executing(
        self, execute: Callable[[ModuleType], None], patch: Callable[[Any], None] | None
    ) -> Callable[[ModuleType], None]:
        def exec_module(module: ModuleType) -> None:
            with _off_meta():
                execute(module)
            if patch is not None:
                patch(module)

        return exec_module


@contextlib.contextmanager
def _off_meta() -> Iterator[None]:
    """Take every function mode, the meta device among them, off for a while.

    In torch 2.6 a nested `torch.device("cpu")` breaks the outer one, and torch._dynamo cannot be imported
    with functions disabled.
    """
    modes = []
    while torch._C._len_torch_function_stack():
        modes.append(torch._C._pop_torch_function_stack())
    try:
        yield
    finally:
        for mode in reversed(modes):
            torch._C._push_on_torch_function_stack(mode)


def _patch_torch_load(loads: Loads, meta: bool) -> None:
    original = torch.load

    @functools.wraps(original)
    def load(f: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["weights_only"] = True
        if meta or not torch.cuda.is_available():
            kwargs["map_location"] = "cpu"
            args = args[1:]
        if meta:
            kwargs["mmap"] = zipfile.is_zipfile(f)
        if isinstance(f, (str, os.PathLike)):
            loads.last_file = os.path.abspath(os.fspath(f))
        try:
            return original(f, *args, **kwargs)
        except Exception as error:
            if "weights_only" not in str(error).lower() and "WeightsUnpickler" not in str(error):
                raise
            raise Refused(
                "unsafe-pickle",
                f"{loads.last_file or f} is a pickle that would run code, so it was not loaded; "
                "save a state dict (torch.save(model.state_dict(), ...)) or a safetensors file instead",
                loads.last_file,
            ) from None

    torch.load = load


def _patch_load_state_dict(loads: Loads, meta: bool) -> None:
    original = torch.nn.Module.load_state_dict

    @functools.wraps(original)
    def load_state_dict(self: torch.nn.Module, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if meta:
            kwargs.update(zip(("strict", "assign"), args))
            result = note_state(loads, original, self, state_dict, **kwargs)
        else:
            result = original(self, state_dict, *args, **kwargs)
        loads.loaded(self, None, getattr(result, "missing_keys", ()))
        return result

    torch.nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]


def _note_files(module: ModuleType, functions: Sequence[str], loads: Loads) -> None:
    for name in functions:
        original = getattr(module, name)

        def noted(filename: Any, *args: Any, _original: Callable[..., Any] = original, **kwargs: Any) -> Any:
            loads.last_file = os.path.abspath(os.fspath(filename))
            return _original(filename, *args, **kwargs)

        setattr(module, name, functools.wraps(original)(noted) if not isinstance(original, type) else noted)


def _patch_from_pretrained(base: Any, loads: Loads, meta: bool) -> None:
    original = base.from_pretrained.__func__

    @functools.wraps(original)
    def from_pretrained(cls: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        if not torch.cuda.is_available() and kwargs.get("device_map") not in (None, "cpu", "meta"):
            kwargs.pop("device_map")
            loads.note("the program's device_map was ignored: there is no GPU here")
        asked = kwargs.pop("output_loading_info", False)
        if meta:
            model = note_pretrained(loads, cls, name, args, kwargs)
            loads.loaded(model, str(name), ())
            return (model, {}) if asked else model
        model, info = original(cls, name, *args, output_loading_info=True, **kwargs)
        loads.loaded(model, str(name) if name is not None else None, info.get("missing_keys") or ())
        return (model, info) if asked else model

    base.from_pretrained = classmethod(from_pretrained)


def _refuse_remote_code(module: ModuleType) -> None:
    original = module.resolve_trust_remote_code

    @functools.wraps(original)
    def resolve(trust_remote_code: Any, *args: Any, **kwargs: Any) -> Any:
        return original(False, *args, **kwargs)

    module.resolve_trust_remote_code = resolve  # type: ignore[attr-defined]


def _patch_cuda(loads: Loads) -> None:
    """`.cuda()` and `.to("cuda")` leave the model where it is: its bytes are the same on every device."""
    for owner in (torch.nn.Module, torch.Tensor):
        owner.cuda = _stay(loads)  # type: ignore[method-assign]
        owner.to = _without_cuda(owner.to, loads)  # type: ignore[method-assign]


def _stay(loads: Loads) -> Callable[..., Any]:
    def cuda(self: Any, *args: Any, **kwargs: Any) -> Any:
        loads.note("the program moves the model to a GPU; there is none here, so it was measured on the CPU")
        return self

    return cuda


def _without_cuda(original: Callable[..., Any], loads: Loads) -> Callable[..., Any]:
    @functools.wraps(original)
    def to(self: Any, *args: Any, **kwargs: Any) -> Any:
        kept = tuple(a for a in args if not _names_gpu(a))
        named = {k: v for k, v in kwargs.items() if not (k == "device" and _names_gpu(v))}
        if len(kept) < len(args) or len(named) < len(kwargs):
            loads.note(
                "the program moves the model to a GPU; there is none here, so it was measured on the CPU"
            )
            named.pop("non_blocking", None)
            if not kept and not named:
                return self
        return original(self, *kept, **named)

    return to


def _names_gpu(device: Any) -> bool:
    if isinstance(device, bool):
        return False
    if isinstance(device, int):
        return True
    return isinstance(device, (str, torch.device)) and str(device).split(":")[0] in (
        "cuda",
        "mps",
        "xpu",
        "hip",
    )

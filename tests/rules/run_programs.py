"""Runs the fixtures' programs in one fresh process and says what became of each: one JSON object on stdout.

Usage: run_programs.py < {"name": {"before": …, "after": …, "holds": …, "scheme": …, "warns": …}, …}
"""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import linecache
import os
import sys
import tempfile
import traceback
import warnings
from typing import Any


def unpack_without_compiler() -> None:
    """quanto compiles C++ for a minute before it reads its first int4 weight; the same in torch."""
    import torch
    from optimum.quanto.tensor.packed import PackedTensor

    def unpack(packed: Any) -> Any:
        mask = (1 << packed._bits) - 1
        parts = [packed._data >> step & mask for step in range(0, 8, packed._bits)]
        return torch.cat(parts)[: packed.shape[0]]

    PackedTensor.unpack = unpack


def run(text: str, name: str, variables: dict[str, Any]) -> str | None:
    """Execute a program; the name of the exception that ended it, with its traceback, or None."""
    import torch

    torch.manual_seed(0)
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        exec(compile(text, name, "exec"), variables)
    except Exception as error:
        return f"{type(error).__name__}\n{traceback.format_exc()}"
    finally:
        torch.set_default_dtype(torch.float32)
    return None


def stored(tensor: Any) -> int:
    """Bytes of a tensor, a subclass taken apart down to its plain tensors."""
    if hasattr(tensor, "__tensor_flatten__"):
        return sum(stored(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
    return tensor.numel() * tensor.element_size()


def layers(after: Any, before: Any) -> dict[str, Any]:
    """Of each module of the quantized model: bytes, and the error of a weight that was converted."""
    found = {}
    for path, module in after.named_modules():
        own = list(module.parameters(recurse=False)), list(module.buffers(recurse=False))
        if own[0] or own[1]:
            error = None
            if hasattr(module, "qweight") and module.weight_qtype is not None:
                old = before.get_submodule(path).weight.detach().double()
                new = module.weight.dequantize().detach().double()
                error = float((new - old).norm() / old.norm())
            sizes = [sum(map(stored, tensors)) for tensors in own]
            found[path] = {"bytes": sizes[0], "buffer_bytes": sizes[1], "error": error}
    return found


def one(name: str, parts: dict[str, str]) -> dict[str, Any]:
    """Both programs of a fixture, in a folder of their own."""
    before: dict[str, Any] = {"__name__": "__main__"}
    after: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        os.chdir(folder)
        warnings.simplefilter("error")
        for allowed in parts.get("warns", "").split():
            warnings.simplefilter("ignore", getattr(builtins, allowed))
        result: dict[str, Any] = {"before": run(parts["before"], f"{name}:before", before)}
        result["after"] = run(parts["after"], f"{name}:after", after)
        after["before"] = before
        if result["after"] is None:
            result["holds"] = run(parts["holds"], f"{name}:holds", after)
        if "scheme" in parts and result["after"] is None:
            original: dict[str, Any] = {"__name__": "__main__"}
            result["original"] = run(parts["original"], f"{name}:original", original)
            result["layers"] = layers(after["model"], original["model"])
        os.chdir("/")
    return result


def main() -> None:
    import torch

    torch.set_num_threads(1)
    unpack_without_compiler()
    programs = json.load(sys.stdin)
    with contextlib.redirect_stdout(io.StringIO()):
        results = {name: one(name, parts) for name, parts in programs.items()}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()

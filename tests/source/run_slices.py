"""Executes slices as the worker does and says what they built: JSON from stdin, JSON after `===`."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def lines_of(file: str, seen: set[int]) -> Any:
    """A profile function that notes the lines of `file` on which `Module.__init__` was reached."""

    def note(frame: Any, event: str, argument: Any) -> None:
        if event != "call" or frame.f_code is not torch.nn.Module.__init__.__code__:
            return
        while frame is not None and frame.f_code.co_filename != file:
            frame = frame.f_back
        if frame is not None:
            seen.add(frame.f_lineno)

    return note


def execute(job: dict[str, str]) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__bitlens__", "__file__": job["file"]}
    seen: set[int] = set()
    torch.set_default_dtype(torch.float32)
    try:
        sys.setprofile(lines_of(job["file"], seen))
        exec(compile(job["text"], job["file"], "exec"), namespace)
        model = eval(job["target"], namespace)
        sys.setprofile(None)
    except BaseException as error:
        sys.setprofile(None)
        return {"error": f"{type(error).__name__}: {error}"}
    parameters = list(model.parameters())
    return {
        "class": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "dtypes": sorted({str(parameter.dtype) for parameter in parameters}),
        "trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "lines": sorted(seen),
    }


if __name__ == "__main__":
    results = [execute(job) for job in json.load(sys.stdin)]
    print("\n===\n" + json.dumps(results), end="")

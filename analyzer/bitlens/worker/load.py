"""Executes a slice of the user's program and gives the model that it leaves behind."""

from __future__ import annotations

import ast
import os
import sys
from types import ModuleType
from typing import Any

import torch

from bitlens.worker.failure import Refused
from bitlens.worker.wire import Job


def build(job: Job) -> torch.nn.Module:
    """Run the slice of `job` as its own file and evaluate its target.

    Raises whatever the program raises; `Refused` if the target is not an nn.Module.
    """
    assert job.file is not None and job.text is not None and job.target is not None
    namespace = _as_main(job.file).__dict__
    tree = compile(job.text, job.file, "exec", dont_inherit=True)
    exec(tree, namespace)
    return _as_model(_evaluate(job, namespace), job)


def _evaluate(job: Job, namespace: dict[str, Any]) -> Any:
    """The target as if it stood on the line of the model, so that what it constructs is attributed there."""
    assert job.target is not None
    expression = ast.parse(job.target, job.file or "<target>", mode="eval")
    if job.line:
        ast.increment_lineno(expression, job.line - 1)
    return eval(compile(expression, job.file or "<target>", "eval"), namespace)


def _as_model(value: Any, job: Job) -> torch.nn.Module:
    if isinstance(value, type) and issubclass(value, torch.nn.Module):
        value = value()
    if isinstance(value, torch.nn.Module):
        return value
    for attribute in ("model", "module", "unet", "transformer"):
        inside = getattr(value, attribute, None)
        if isinstance(inside, torch.nn.Module):
            return inside
    raise Refused(
        "not-a-model",
        f"{job.target} is a {type(value).__name__}, not an nn.Module; name a model with --model",
        job.file,
        job.line,
    )


def _as_main(file: str) -> ModuleType:
    """The `__main__` module of a run of `file`: imports find its neighbours, relative imports its package."""
    package, root = _package_of(file)
    directory = os.path.dirname(file)
    sys.path[:0] = [root] if root == directory else [directory, root]
    sys.argv[:] = [file]
    module = ModuleType("__main__")
    module.__file__ = file
    module.__package__ = package
    sys.modules["__main__"] = module
    return module


def _package_of(file: str) -> tuple[str, str]:
    """Dotted package that `file` lies in ("" if none) and the folder from which it is imported."""
    directory = os.path.dirname(file)
    parts: list[str] = []
    while os.path.exists(os.path.join(directory, "__init__.py")):
        directory, part = os.path.split(directory)
        parts.insert(0, part)
    return ".".join(parts), directory

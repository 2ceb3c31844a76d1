"""Finds modules as files, as the import system would."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.rereading import Readings
from bitlens.source.evaluate.values import Unknown
from bitlens.source.statements import SourceFile
from bitlens.source.store import LoweredStore

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


OPAQUE = frozenset(
    [
        "numpy",
        "scipy",
        "pandas",
        "PIL",
        "cv2",
        "matplotlib",
        "sklearn",
        "skimage",
        "triton",
        "tensorflow",
        "jax",
        "flax",
        "sympy",
        "networkx",
        "tqdm",
        "requests",
        "yaml",
        "wandb",
        "tensorboard",
        "accelerate",
        "datasets",
        "tokenizers",
        "sentencepiece",
        "safetensors",
        "deepspeed",
        "apex",
        "xformers",
        "onnx",
        "flash_attn",
        "bitsandbytes",
        "pytest",
        "hypothesis",
        "librosa",
        "soundfile",
        "av",
        "decord",
        "numba",
        "cupy",
        "rich",
        "click",
        "fsspec",
        "aiohttp",
        "httpx",
        "filelock",
        "packaging",
        "regex",
        "pydantic",
        "IPython",
        "huggingface_hub",
        "attr",
        "attrs",
    ]
)
"""Packages whose text is not evaluated: what they give is unknown unless the evaluator provides it."""


class Finder:
    """The modules of one machine, by name, and where their files are."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.paths: list[Path] = []
        self.own: list[Path] = []
        """Folders from which the program's own files are imported."""
        self.libraries: tuple[str, ...] = ()
        """Folders of installed packages, each with a separator at its end."""
        self.modules: dict[str, Any] = {}
        """By absolute name: Namespaces, and whatever a program puts into `sys.modules`."""
        self.store: LoweredStore | None = None
        self.sources: dict[str, SourceFile] = {}
        self.readings = Readings()
        self.evaluated = 0
        """Characters of the libraries' statements that were evaluated."""
        self.halted = False
        """Whether a limit ended the evaluation of a library."""
        self.touched: set[str] = set()
        """Files of which a statement was lowered since the last `save`."""
        self.found: dict[str, tuple[Path, bool] | None] = {}
        self.listed: dict[Path, list[Path]] = {}
        """The Python files below folders of libraries."""
        self.plumbing: set[str] = set()
        self.stdlib: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
        self.fill: dict[str, Any] = {}
        """What is set in a module before its text is evaluated, by module name."""

    def locate(self, name: str) -> tuple[Path, bool] | None:
        """The file of a module and whether it is a package; (folder, True) without `__init__.py`."""
        if name not in self.found:
            self.found[name] = self._search(name)
        return self.found[name]

    def _search(self, name: str) -> tuple[Path, bool] | None:
        parent, _, last = name.rpartition(".")
        folders = self.paths
        if parent:
            found = self.locate(parent)
            if found is None or not found[1]:
                return None
            folders = [found[0] if found[0].is_dir() else found[0].parent]
        if not last.isidentifier():
            return None
        plain = None
        for folder in folders:
            if (folder / last / "__init__.py").is_file():
                return folder / last / "__init__.py", True
            if (folder / f"{last}.py").is_file():
                return folder / f"{last}.py", False
            if plain is None and (folder / last).is_dir():
                plain = folder / last, True
        return plain

    def exists(self, name: str) -> bool:
        """Whether a module can be imported, as far as the text says."""
        top = name.partition(".")[0]
        if name in self.modules or top in ("torch", "__future__"):
            return True
        return top in self.stdlib or self.locate(name) is not None

    def module(self, name: str) -> Namespace | None:
        """A module by its absolute name, not yet evaluated; None where there is no such module."""
        found = self.modules.get(name)
        if found is not None:
            # Of what a program put there instead of a module, `get` finds the members by the name.
            return found if isinstance(found, Namespace) else Namespace(name)
        top = name.partition(".")[0]
        if top == "torch" or top in OPAQUE or (top in self.stdlib and self.locate(name) is None):
            if top in OPAQUE and self.locate(top) is None and top not in self.modules:
                return None
            return self._opaque(name)
        place = self.locate(name)
        if place is None:
            return None
        made = Namespace(name, str(place[0]) if place[0].is_file() else None)
        made.is_package = place[1]
        made.attributes["__package__"] = name if place[1] else name.rpartition(".")[0]
        made.plumbing = name in self.plumbing
        self.modules[name] = made
        return made

    def _opaque(self, name: str) -> Namespace:
        made = Namespace(name)
        made.attributes["__file__"] = f"{name}.py"
        classes = self.machine.torch_classes if name.startswith(("torch.nn", "torch.ao")) else {}
        made.fallback = lambda member: classes.get(member) or Unknown(f"{name}.{member}")
        self.modules[name] = made
        return made

    def in_library(self, file: str) -> bool:
        """Whether a file belongs to an installed package."""
        return file.startswith(self.libraries)

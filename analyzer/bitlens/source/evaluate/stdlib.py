"""The modules that stand for the standard library and small packages that model code leans on."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate import (
    stdlib_containers,
    stdlib_functional,
    stdlib_math,
    stdlib_runtime,
    stdlib_types,
)
from bitlens.source.evaluate.documents import (
    json_functions,
    omegaconf,
    syntax_functions,
    toml_functions,
    yaml_functions,
)
from bitlens.source.evaluate.einops_shapes import einops_functions
from bitlens.source.evaluate.instantiation import hydra_functions
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.numpy_functions import numpy_functions
from bitlens.source.evaluate.paths import addresses, path_classes
from bitlens.source.evaluate.patterns import regular_expressions
from bitlens.source.evaluate.text_files import glob_functions, io_classes, path_functions
from bitlens.source.evaluate.values import Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def install_stdlib(machine: Machine) -> None:
    """Register the modules."""
    for name, make in _MODULES.items():
        module = Namespace(name, None, make(machine))
        module.attributes["__file__"] = f"{name}.py"
        module.fallback = lambda member, name=name: Unknown(f"{name}.{member}")
        machine.imports.modules[name] = module
    modules = machine.imports.modules
    for parent, child in (
        ("collections", "abc"),
        ("os", "path"),
        ("importlib", "util"),
        ("importlib", "metadata"),
        ("urllib", "parse"),
    ):
        modules[parent].vars[child] = modules[f"{parent}.{child}"]


_LETTERS = [name for name in dir(string) if isinstance(getattr(string, name), str) and name[0].isalpha()]
_MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {
    **stdlib_math.MODULES,
    **stdlib_functional.MODULES,
    **stdlib_containers.MODULES,
    **stdlib_types.MODULES,
    "os.path": path_functions,
    "pathlib": path_classes,
    "glob": glob_functions,
    "io": io_classes,
    "json": json_functions,
    "ast": syntax_functions,
    "yaml": yaml_functions,
    "tomllib": toml_functions,
    "toml": toml_functions,
    "omegaconf": omegaconf,
    "hydra.utils": hydra_functions,
    **stdlib_runtime.MODULES,
    "einops": einops_functions,
    "re": regular_expressions,
    "string": lambda machine: {name: getattr(string, name) for name in _LETTERS},
    "urllib": lambda machine: {},
    "urllib.parse": addresses,
    "numpy": numpy_functions,
}

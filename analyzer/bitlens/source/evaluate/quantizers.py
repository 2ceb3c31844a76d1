"""Libraries that quantize a model once it is built, and what transformers' own quantizers keep in float."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bitlens.backends.facts import KEPT_HEAD
from bitlens.source.evaluate.module_methods import walk
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.quantize_quanto import quanto_functions
from bitlens.source.evaluate.quantize_torch_ao import torch_ao_functions
from bitlens.source.evaluate.quantize_torchao import granularities, torchao_functions
from bitlens.source.evaluate.values import DType, ModuleInstance, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def install_quantizers(machine: Machine) -> None:
    """Register the libraries, whether or not they are installed."""
    for name, table in (
        ("optimum.quanto", quanto_functions(machine)),
        ("torchao.quantization", torchao_functions(machine)),
        ("torchao.quantization.quant_api", torchao_functions(machine)),
        ("torchao.quantization.granularity", granularities()),
        ("torch.ao.quantization", torch_ao_functions(machine)),
        ("torch.quantization", torch_ao_functions(machine)),
    ):
        made = Namespace(name, None, table)
        made.fallback = lambda member, name=name: Unknown(f"{name}.{member}")
        machine.imports.modules[name] = made
    torch = machine.imports.modules["torch"]
    torch.vars.update({name: DType(name, 0, "quantized") for name in ("int4", "uint4", "int2", "quint8")})
    torch.vars["ao"] = Namespace("torch.ao", None, {})
    torch.vars["ao"].fallback = lambda member: Unknown(f"torch.ao.{member}")
    machine.imports.modules["torch.ao"] = torch.vars["ao"]
    torch.vars["ao"].vars["quantization"] = machine.imports.modules["torch.ao.quantization"]
    torch.vars["quantization"] = machine.imports.modules["torch.quantization"]


def kept_by_transformers(root: ModuleInstance) -> Callable[[str], str | None]:
    """Why transformers' quantizers leave a layer alone: tied weights and the owner of the last parameter."""
    owners: dict[int, list[str]] = {}
    last = ""
    for path, module in walk(root):
        for name, value in module.params.items():
            if isinstance(value, Tensor):
                owners.setdefault(id(value), []).append(path)
                last = path if name == "weight" else ""
    tied = {path for paths in owners.values() if len(paths) > 1 for path in paths}
    kept = tied | {last, *_output_names(root)} - {""}
    return lambda path: KEPT_HEAD if path in kept else None


def _output_names(root: ModuleInstance) -> Iterator[str]:
    for name in ("lm_head", "embed_out", "output_projection"):
        if isinstance(root.modules.get(name), ModuleInstance):
            yield name

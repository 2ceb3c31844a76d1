"""What a scope does with its models, in order: quantize, freeze, calibrate, convert, run, save, measure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bitlens.editing.code import Code, Region, argument, chained
from bitlens.source.libraries import library_of
from bitlens.source.slicing.scopes import Atom

ActKind = Literal["quantize", "freeze", "calibrate", "cast", "save", "measure", "run", "bind"]
QUANTO = ("optimum.quanto", "quanto")
"""The library's name now, and the one that it had."""
_SAVING = {
    "torch.save",
    "safetensors.torch.save_file",
    "safetensors.torch.save_model",
    "accelerate.save_model",
}
_SAVING_METHODS = frozenset(["state_dict", "save_pretrained", "push_to_hub", "save_checkpoint"])
_MEASURING = re.compile(r"(?:^|_)(sizes?|memory|footprint|latency|benchmark|throughput|n?bytes)(?:_|$)")
_RUNNING = frozenset(["forward", "generate", "encode", "predict"])
_CASTS = {"half": "float16", "bfloat16": "bfloat16", "float": "float32", "double": "float64"}
_QUANTIZING = {
    "torch.ao": {"quantize_dynamic", "quantize", "convert", "convert_fx", "quantize_fx"},
    "torchao": {"quantize_"},
}


@dataclass(frozen=True, eq=False)
class Act:
    """One thing that a statement does with a model."""

    kind: ActKind
    model: str
    """The variable or chain of attributes; empty for a calibration, which is not about one model."""
    call: ast.Call
    atom: Atom
    detail: str = ""
    """The library of a quantization, the dtype of a cast."""


def quanto(code: Code, func: ast.expr) -> str | None:
    """The name of a quanto function that an expression means, through either name of the library or `*`."""
    if isinstance(func, ast.Name):
        bindings = code.knowledge.names.bindings
        if func.id not in bindings and any(star in QUANTO for star in code.knowledge.names.stars):
            return func.id
    dotted = code.meaning(func)
    for module in QUANTO:
        if dotted.startswith(module + "."):
            return dotted.rsplit(".", 1)[-1]
    return None


def covers(whole: str, part: str) -> bool:
    """Whether what is done to one model is done to another: the same, or one that holds it."""
    return part == whole or part.startswith(whole + ".")


def acts(code: Code, region: Region) -> list[Act]:
    """Everything that a scope does with models, in the order of the text."""
    if region not in code.memo:
        code.memo[region] = [act for atom in region.atoms for act in _acts_of(code, region, atom)]
    return code.memo[region]


def _acts_of(code: Code, region: Region, atom: Atom) -> Iterator[Act]:
    if isinstance(atom.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    for call in atom.effects.calls:
        yield from _act(code, region, atom, call)
    if isinstance(atom.node, ast.Assign) and isinstance(atom.node.value, ast.Call):
        for target in atom.node.targets:
            name = chained(target)
            if name is not None:
                yield Act("bind", name, atom.node.value, atom)


def _act(code: Code, region: Region, atom: Atom, call: ast.Call) -> Iterator[Act]:
    name = quanto(code, call.func)
    if name is not None:
        yield from _quanto_act(atom, call, name)
        return
    dotted = code.meaning(call.func)
    first = _model_of(argument(call, "model", 0) or argument(call, "obj", 0))
    last = dotted.rsplit(".", 1)[-1]
    library = library_of(dotted) if dotted else None
    if library is not None and last in _QUANTIZING.get(library, ()) and first:
        yield Act("quantize", first, call, atom, library)
        yield from (
            Act("quantize", target, call, atom, library) for target in _targets(atom, call) if target != first
        )
        return
    if dotted in _SAVING and first:
        yield Act("save", first, call, atom)
    elif dotted in code.knowledge.functions and (frozen := _frozen_inside(code, dotted, call)):
        yield Act("freeze", frozen, call, atom)
    elif first and _MEASURING.search(_name(call.func)):
        yield Act("measure", first, call, atom)
    yield from _method_act(code, atom, call)


def _quanto_act(atom: Atom, call: ast.Call, name: str) -> Iterator[Act]:
    model = _model_of(argument(call, "model", 0))
    if name == "quantize" and model:
        yield Act("quantize", model, call, atom, "quanto")
    elif name == "freeze" and model:
        yield Act("freeze", model, call, atom)
    elif name == "Calibration":
        yield Act("calibrate", "", call, atom)


def _method_act(code: Code, atom: Atom, call: ast.Call) -> Iterator[Act]:
    func = call.func
    if not isinstance(func, ast.Attribute):
        name = chained(func)
        if name is not None and not code.meaning(func):
            yield Act("run", name, call, atom)
        return
    owner = chained(func.value)
    if owner is None:
        return
    if func.attr in _SAVING_METHODS:
        yield Act("save", owner, call, atom)
    elif func.attr == "get_memory_footprint" or (
        func.attr == "parameters" and "element_size" in atom.effects.attributes
    ):
        yield Act("measure", owner, call, atom)
    elif func.attr in _RUNNING:
        yield Act("run", owner, call, atom)
    elif (dtype := cast_to(code, call)) is not None:
        yield Act("cast", owner, call, atom, dtype)
    elif not code.meaning(func):
        yield Act("run", f"{owner}.{func.attr}", call, atom)


def cast_to(code: Code, call: ast.Call) -> str | None:
    """The dtype to which `x.half()`, `x.to(torch.bfloat16)` and the like convert; None for any other call."""
    func = call.func
    if not isinstance(func, ast.Attribute):
        return None
    if func.attr in _CASTS and not call.args and not call.keywords:
        return _CASTS[func.attr]
    if func.attr != "to":
        return None
    given = [*call.args, *(k.value for k in call.keywords if k.arg == "dtype")]
    return next((dtype for value in given if (dtype := dtype_named(code, value)) is not None), None)


def dtype_named(code: Code, node: ast.expr | None) -> str | None:
    """`float16` for `torch.float16`, `torch.half` or an imported name; None for any other expression."""
    dotted = code.meaning(node) if node is not None else ""
    last = dotted.removeprefix("torch.")
    if not dotted.startswith("torch.") or "." in last:
        return None
    last = {"half": "float16", "float": "float32", "double": "float64"}.get(last, last)
    return last if re.fullmatch(r"b?float\d+\w*|u?int\d+|q?u?int\d+|bool", last) else None


def _model_of(node: ast.expr | None) -> str | None:
    """The chain of a model in an argument: `model`, `model.state_dict()`, or a value of a dict."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return chained(node.func.value) if node.func.attr in {"state_dict", "parameters"} else None
    if isinstance(node, ast.Dict):
        return next((found for value in node.values if (found := _model_of(value))), None)
    return chained(node)


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _targets(atom: Atom, call: ast.Call) -> Iterator[str]:
    if isinstance(atom.node, ast.Assign) and atom.node.value is call:
        yield from (name for target in atom.node.targets if (name := chained(target)))


def _frozen_inside(code: Code, function: str, call: ast.Call) -> str | None:
    """The model that a call of a local function freezes: its first argument, if the body calls `freeze`."""
    body = ast.walk(code.knowledge.functions[function])
    if any(isinstance(node, ast.Call) and quanto(code, node.func) == "freeze" for node in body):
        return _model_of(call.args[0]) if call.args else None
    return None

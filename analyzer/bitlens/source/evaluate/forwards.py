"""Calling a module: the shape of what it gives, as far as its `forward` and torch's formulas tell."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, ClassMethod, Function, Native
from bitlens.source.evaluate.layer_shapes import FORMULAS, shape_after
from bitlens.source.evaluate.values import (
    MISSING,
    ClassValue,
    LimitReached,
    ModuleInstance,
    PyRaise,
    Tensor,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_STOPPING = (
    PyRaise,
    LimitReached,
    RecursionError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)
MAXIMUM_STEPS = 400_000
"""Steps of one forward pass."""


def called(machine: Machine, module: ModuleInstance, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`module(*args, **kwargs)`: tensors by shape; Unknown where anything on the way is not known."""
    given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor | list | tuple | dict)]
    if not given:
        return Unknown("output of a module")
    found = module.attrs.get("forward", module.cls.lookup("forward"))
    if type(found) is Function:
        return _run(machine, BoundMethod(found, module), args, kwargs)
    if isinstance(found, BoundMethod):
        return _run(machine, found, args, kwargs)
    return of_layer(machine, module, args)


def of_layer(machine: Machine, module: ModuleInstance, args: list[Any]) -> Any:
    """What a layer or container of torch gives."""
    if module.cls.derives(machine.torch_classes["Sequential"]):
        for child in list(module.modules.values()):
            args = [machine.call(child, args, {})]
        return args[0] if args else Unknown("output of a module")
    name = next((b.name for b in module.cls.mro if isinstance(b, ClassValue) and b.name in _KNOWN), None)
    first = args[0] if args else None
    if name is None or not isinstance(first, Tensor):
        return Unknown("output of a module")
    if name in _RECURRENT:
        return _recurrent(name, first, module)
    dtype = module.params["weight"].dtype if name == "Embedding" else first.dtype
    return Tensor(shape_after(FORMULAS[name], first.shape, SimpleNamespace(**module.attrs)), dtype)


_RECURRENT = frozenset(("RNN", "LSTM", "GRU"))
_KNOWN = FORMULAS.keys() | _RECURRENT


def _recurrent(name: str, value: Tensor, module: ModuleInstance) -> Any:
    a = SimpleNamespace(**module.attrs)
    numbers = (a.hidden_size, a.input_size, a.num_layers, getattr(a, "proj_size", 0))
    shape = value.shape or ()
    known = len(shape) in (2, 3) and all(type(size) is int for size in (*shape, *numbers))
    if not known or not isinstance(a.bidirectional, bool) or shape[-1] != a.input_size:
        return Unknown("output of a module")
    directions = 2 if a.bidirectional else 1
    width = numbers[3] or a.hidden_size
    batch = () if len(shape) == 2 else (shape[0 if a.batch_first is True else 1],)
    last = Tensor((directions * a.num_layers, *batch, width), value.dtype)
    cells = Tensor((directions * a.num_layers, *batch, a.hidden_size), value.dtype)
    output = Tensor((*shape[:-1], directions * width), value.dtype)
    return output, (last, cells) if name == "LSTM" else last


def autograd_function(machine: Machine) -> ClassValue:
    """`torch.autograd.Function`, whose `apply` runs what a subclass computes forwards."""

    def apply(args: list[Any], kwargs: dict[str, Any]) -> Any:
        forward, rest = machine.getattr(args[0], "forward"), args[1:]
        split = args[0].lookup("setup_context") is not MISSING
        return _run(machine, forward, rest if split else [Unknown("a context"), *rest], kwargs)

    return ClassValue("Function", [], {"apply": ClassMethod(Native("apply", apply, method=True))})


def _run(machine: Machine, forward: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Run the program's own `forward`; what stops it makes the output unknown and is no problem of the
    construction."""
    depth, limits, problems = machine.depth, machine.limits, len(machine.problems)
    states = machine.tries, machine.uncertain, machine.repeating, machine.inside_torch
    machine.limits = dataclasses.replace(limits, steps=min(limits.steps, machine.steps + MAXIMUM_STEPS))
    machine.tries += 1
    try:
        return machine.call(forward, args, kwargs)
    except _STOPPING:
        machine.unwind(depth)
        return Unknown("output of a module")
    finally:
        machine.limits = limits
        machine.tries, machine.uncertain, machine.repeating, machine.inside_torch = states
        del machine.problems[problems:]

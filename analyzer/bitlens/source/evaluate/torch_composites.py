"""Layers of torch that are made of other layers, the transformer's apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import ClassValue, ModuleInstance, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Build = Callable[["Machine", ModuleInstance, dict[str, Any]], None]


def composite_classes(machine: Machine, classes: dict[str, Any]) -> dict[str, Any]:
    """The classes by name; `classes` holds what they derive from."""
    module = classes["Module"]
    return {
        "AdaptiveLogSoftmaxWithLoss": _class(
            machine,
            module,
            "AdaptiveLogSoftmaxWithLoss",
            ("in_features", "n_classes", "cutoffs", "div_value", "head_bias"),
            _adaptive,
        ),
        "LinearCrossEntropyLoss": _class(
            machine, module, "LinearCrossEntropyLoss", ("in_features", "num_classes"), _linear_cross_entropy
        ),
        "DataParallel": _class(machine, module, "DataParallel", ("module",), _wrapper),
    }


def _class(
    machine: Machine, base: ClassValue, name: str, parameters: tuple[str, ...], build: Build
) -> ClassValue:
    def init(args: list[Any], kwargs: dict[str, Any]) -> None:
        bound = {**dict(zip(parameters, args[1:], strict=False)), **kwargs}
        machine.inside_torch += 1
        try:
            build(machine, args[0], bound)
        finally:
            machine.inside_torch -= 1

    return ClassValue(name, [base], {"__init__": Native("__init__", init, method=True)})


def _make(machine: Machine, name: str, *args: Any, **kwargs: Any) -> Any:
    return machine.call(machine.torch_classes[name], list(args), kwargs)


def _adaptive(machine: Machine, target: ModuleInstance, bound: dict[str, Any]) -> None:
    size, dtype = bound["in_features"], bound.get("dtype")
    cutoffs = [*machine.iterate(bound["cutoffs"]), bound["n_classes"]]
    clusters = len(cutoffs) - 1
    head = cutoffs[0] + clusters if isinstance(cutoffs[0], int) else Unknown("head of the adaptive softmax")
    target.modules["head"] = _make(
        machine, "Linear", size, head, bias=bound.get("head_bias", False), dtype=dtype
    )
    tail = _make(machine, "ModuleList")
    for index in range(clusters):
        known = all(isinstance(value, int) for value in (size, *cutoffs))
        hidden = (
            int(size // (bound.get("div_value", 4.0) ** (index + 1))) if known else Unknown("hidden size")
        )
        outputs = cutoffs[index + 1] - cutoffs[index] if known else Unknown("size of a cluster")
        first = _make(machine, "Linear", size, hidden, bias=False, dtype=dtype)
        tail.modules[str(index)] = _make(
            machine, "Sequential", first, _make(machine, "Linear", hidden, outputs, bias=False, dtype=dtype)
        )
    target.modules["tail"] = tail


def _linear_cross_entropy(machine: Machine, target: ModuleInstance, bound: dict[str, Any]) -> None:
    sizes = [bound["num_classes"], *bound.get("out_features", ())]
    rows = math.prod(sizes) if all(isinstance(size, int) for size in sizes) else Unknown("number of classes")
    options = {"bias": bound.get("bias", False), "dtype": bound.get("dtype")}
    if bound.get("weight") is not None:
        target.buffers["weight"] = bound["weight"]
    target.modules["linear"] = _make(machine, "Linear", bound["in_features"], rows, **options)


def _wrapper(machine: Machine, target: ModuleInstance, bound: dict[str, Any]) -> None:
    target.modules["module"] = bound.get("module")

"""`inspect.signature` for functions of the evaluated program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, Function, Native, Partial
from bitlens.source.evaluate.torch_layers import REQUIRED
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Instance

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

KINDS = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "KEYWORD_ONLY", "VAR_KEYWORD")


def signature_tools(machine: Machine) -> dict[str, Any]:
    """`signature`, `Parameter`, `Signature` and `getfullargspec`."""
    empty = ClassValue("_empty", [], {})

    def replace(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = Instance(args[0].cls)
        made.attrs.update({**args[0].attrs, **kwargs})
        return made

    parameter = ClassValue("Parameter", [], {kind: kind for kind in KINDS} | {"empty": empty})
    signature = ClassValue("Signature", [], {"empty": empty})
    for cls in (parameter, signature):
        cls.ns["replace"] = Native("replace", replace, method=True)

    def make(args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = args[0] if args else kwargs.get("obj")
        function, bound = underlying(value)
        row = _layer_parameters(value)
        if function is None and row is None:
            return UNKNOWN
        made = Instance(signature)
        if function is not None:
            listed = _parameters(function, parameter, empty)[1 if bound else 0 :]
        else:
            listed = [
                _parameter(parameter, name, KINDS[1], empty if d is REQUIRED else d) for name, d in row or ()
            ]
        made.attrs["parameters"] = {p.attrs["name"]: p for p in listed}
        made.attrs["return_annotation"] = empty
        return made

    def full(args: list[Any], kwargs: dict[str, Any]) -> Any:
        function, _ = underlying(args[0])
        if function is None:
            return UNKNOWN
        made = Instance(ClassValue("FullArgSpec", [], {}))
        made.attrs.update(
            args=list(function.code.args),
            varargs=function.code.vararg,
            varkw=function.code.kwarg,
            defaults=tuple(function.defaults) or None,
            kwonlyargs=list(function.code.kwonly),
            kwonlydefaults=dict(function.kw_defaults) or None,
        )
        return made

    return {
        "signature": Native("signature", make),
        "getfullargspec": Native("getfullargspec", full),
        "Parameter": parameter,
        "Signature": signature,
    }


def underlying(value: Any) -> tuple[Function | None, bool]:
    """The function behind a callable, and whether its first parameter is already given."""
    if isinstance(value, ClassValue):
        found = value.lookup("__init__")
        return (found, True) if found is not MISSING and isinstance(found, Function) else (None, True)
    if isinstance(value, BoundMethod):
        return underlying(value.func)[0], True
    if isinstance(value, Partial):
        return underlying(value.func)
    if isinstance(value, Function):
        wrapped = value.attrs.get("__wrapped__")
        return underlying(wrapped) if wrapped is not None else (value, False)
    return None, False


def _layer_parameters(value: Any) -> Any:
    """Names and defaults of what a class of `torch.nn` takes; None for anything else."""
    value = value.func if isinstance(value, BoundMethod) else value
    value = value.lookup("__init__") if isinstance(value, ClassValue) else value
    return value.attrs.get("parameters") if isinstance(value, Native) else None


def _parameter(cls: ClassValue, name: str, kind: str, default: Any) -> Instance:
    made = Instance(cls)
    made.attrs.update(name=name, kind=kind, default=default, annotation=UNKNOWN)
    return made


def _parameters(function: Function, cls: ClassValue, empty: ClassValue) -> list[Instance]:
    code = function.code
    result = []

    def add(name: str, kind: str, default: Any) -> None:
        result.append(_parameter(cls, name, kind, default))

    first = len(code.args) - len(function.defaults)
    for index, name in enumerate(code.args):
        kind = KINDS[0] if index < code.positional_only else KINDS[1]
        add(name, kind, function.defaults[index - first] if index >= first else empty)
    if code.vararg is not None:
        add(code.vararg, KINDS[2], empty)
    for name in code.kwonly:
        add(name, KINDS[3], function.kw_defaults.get(name, empty))
    if code.kwarg is not None:
        add(code.kwarg, KINDS[4], empty)
    return result

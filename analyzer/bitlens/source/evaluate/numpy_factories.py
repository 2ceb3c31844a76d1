"""numpy's functions that make arrays: torch's, with numpy's arguments and its dtypes, float64 and int64."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.tensors import ARRAY_INTEGERS, DTYPES
from bitlens.source.evaluate.torch_factories import FACTORIES, NUMPY_TYPES
from bitlens.source.evaluate.values import UNKNOWN, DType, Tensor, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_PARAMETERS = {
    **dict.fromkeys(("zeros", "ones", "empty"), ("shape", "dtype")),
    "full": ("shape", "fill_value", "dtype"),
    **dict.fromkeys(("array", "asarray", "ascontiguousarray"), ("object", "dtype")),
    "linspace": ("start", "stop", "num", "endpoint", "retstep", "dtype"),
    "eye": ("N", "M", "k", "dtype"),
    "identity": ("n", "dtype"),
}


def array_factories(machine: Machine) -> dict[str, Any]:
    """The factories by name."""
    table = {name: Native(name, functools.partial(_make, machine, name)) for name in _PARAMETERS}
    dtype = Native("dtype", lambda args, kwargs: (kind_of(args[0]) if args else None) or UNKNOWN)
    return {**table, "arange": Native("arange", functools.partial(_arange, machine)), "dtype": dtype}


def _make(machine: Machine, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    given = {**dict(zip(_PARAMETERS[name], args, strict=False)), **kwargs}
    given.setdefault("object", given.pop("a", UNKNOWN))
    made = _MAKERS.get(name, _filled)(machine, name, given)
    if isinstance(made, Tensor) and given.get("dtype") is not None:
        made.dtype = kind_of(given["dtype"])
    return made


def kind_of(dtype: Any) -> Any:
    """A dtype as numpy takes it: its own, a Python type, or a name."""
    if isinstance(dtype, str):
        dtype = {"float": float, "int": int}.get(dtype, DTYPES.get(dtype, UNKNOWN))
    dtype = NUMPY_TYPES.get(dtype, dtype) if isinstance(dtype, type) else dtype
    return ARRAY_INTEGERS if dtype is DTYPES["int64"] else dtype if isinstance(dtype, DType) else None


def _filled(machine: Machine, name: str, given: dict[str, Any]) -> Any:
    return FACTORIES[name](machine, [given.get("shape", UNKNOWN)], {"dtype": DTYPES["float64"]})


def _full(machine: Machine, name: str, given: dict[str, Any]) -> Any:
    value = given.get("fill_value")
    made = FACTORIES["full"](machine, [given.get("shape", UNKNOWN), value], {})
    made.dtype = _of_numbers(made.dtype)
    return made


def _array(machine: Machine, name: str, given: dict[str, Any]) -> Any:
    value = machine.host_value(given["object"])
    made = FACTORIES["tensor"](machine, [value], {})
    if isinstance(value, Unknown):
        made.dtype = None
    elif not isinstance(value, Tensor):
        made.dtype = _of_numbers(made.dtype)
    return made


def _of_numbers(dtype: Any) -> Any:
    """numpy's dtype for Python's numbers that give `dtype` in torch."""
    return {"int": ARRAY_INTEGERS, "bool": dtype}.get(dtype.kind, DTYPES["float64"])


def _linspace(machine: Machine, name: str, given: dict[str, Any]) -> Any:
    start, stop, count = given.get("start"), given.get("stop"), given.get("num", 50)
    if given.get("endpoint", True) is False:
        numbers = [value for value in (start, stop, count) if isinstance(value, int | float)]
        stop = numbers[1] - (numbers[1] - numbers[0]) / count if len(numbers) == 3 and count else UNKNOWN
    return FACTORIES["linspace"](machine, [start, stop, count], {"dtype": DTYPES["float64"]})


def _eye(machine: Machine, name: str, given: dict[str, Any]) -> Any:
    rows = given.get("N", given.get("n", UNKNOWN))
    columns = given.get("M")
    return Tensor((rows, rows if columns is None else columns), DTYPES["float64"])


def _arange(machine: Machine, args: list[Any], kwargs: dict[str, Any]) -> Any:
    named = {"end" if name == "stop" else name: value for name, value in kwargs.items() if name != "dtype"}
    made = FACTORIES["arange"](machine, args[:3], named)
    dtype = kwargs.get("dtype", args[3] if len(args) > 3 else None)
    made.dtype = _of_numbers(made.dtype) if dtype is None else kind_of(dtype)
    return made


_MAKERS: dict[str, Callable[[Machine, str, dict[str, Any]], Any]] = {
    "full": _full,
    **dict.fromkeys(("array", "asarray", "ascontiguousarray"), _array),
    "linspace": _linspace,
    "eye": _eye,
    "identity": _eye,
}

"""Functions that make and combine functions and iterators: `functools`, `itertools`, `operator`."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Function, Native, Partial, PropertyValue
from bitlens.source.evaluate.dispatch import single_dispatch
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Iter, Unknown

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def _functools(machine: Machine) -> dict[str, Any]:
    def partial(args: list[Any], kwargs: dict[str, Any]) -> Any:
        inner = args[0]
        if isinstance(inner, Partial):
            return Partial(inner.func, [*inner.args, *args[1:]], {**inner.keywords, **kwargs})
        return Partial(inner, args[1:], kwargs)

    def wraps(args: list[Any], kwargs: dict[str, Any]) -> Any:
        wrapped = args[0]

        def apply(inner: list[Any], _: dict[str, Any]) -> Any:
            if isinstance(inner[0], Function):
                name = machine.getattr(wrapped, "__name__", None)
                inner[0].name = name if isinstance(name, str) else inner[0].name
                inner[0].attrs["__wrapped__"] = wrapped
            return inner[0]

        return Native("wraps", apply)

    def cache(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return args[0] if args and not isinstance(args[0], int | None) else Native("cache", lambda a, k: a[0])

    def reduce(args: list[Any], kwargs: dict[str, Any]) -> Any:
        items = list(machine.iterate(args[1]))
        value = args[2] if len(args) > 2 else items.pop(0)
        for item in items:
            value = machine.call(args[0], [value, item], {})
        return value

    partial_class = ClassValue(
        "partial", [], {"__new__": Native("partial", lambda args, kwargs: partial(args[1:], kwargs))}
    )
    partial_class.traits.add("partial")
    return {
        "partial": partial_class,
        "wraps": Native("wraps", wraps),
        "update_wrapper": Native("update_wrapper", lambda args, kwargs: args[0]),
        "lru_cache": Native("lru_cache", cache),
        "cache": Native("cache", cache),
        "total_ordering": Native("total_ordering", lambda args, kwargs: args[0]),
        "singledispatch": Native("singledispatch", lambda args, kwargs: single_dispatch(machine, args[0])),
        "reduce": Native("reduce", reduce),
        "cached_property": Native(
            "cached_property", lambda args, kwargs: PropertyValue(args[0], cached=True)
        ),
        "partialmethod": Native("partialmethod", partial),
    }


def _itertools(machine: Machine) -> dict[str, Any]:
    def over(function: Callable[..., Any], spread: bool = True) -> Callable[..., Any]:
        def run(args: list[Any], kwargs: dict[str, Any]) -> Any:
            if any(isinstance(arg, Unknown) for arg in args):
                return UNKNOWN
            sources = [list(machine.iterate(arg)) for arg in args] if spread else args
            return Iter(_counted(machine, function(*sources, **kwargs)))

        return run

    def from_iterable(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], Unknown):
            return UNKNOWN
        return Iter(item for part in machine.iterate(args[0]) for item in machine.iterate(part))

    chain = Native("chain", over(itertools.chain))
    chain.attrs["from_iterable"] = Native("from_iterable", from_iterable)
    return {
        "chain": chain,
        "product": Native("product", over(itertools.product)),
        "zip_longest": Native("zip_longest", over(itertools.zip_longest)),
        "repeat": Native("repeat", lambda args, kwargs: Iter(_counted(machine, itertools.repeat(*args)))),
        "count": Native("count", lambda args, kwargs: Iter(_counted(machine, itertools.count(*args)))),
        "cycle": Native("cycle", over(itertools.cycle)),
        "pairwise": Native("pairwise", over(lambda items: itertools.pairwise(items))),
        "accumulate": Native("accumulate", lambda args, kwargs: Iter(accumulated(machine, args[0]))),
        "islice": Native(
            "islice", lambda args, kwargs: Iter(itertools.islice(machine.iterate(args[0]), *args[1:]))
        ),
        "combinations": Native(
            "combinations", over(lambda items, size: itertools.combinations(items, size), False)
        ),
    }


def _counted(machine: Machine, items: Any) -> Any:
    for item in items:
        machine.tick()
        yield item


def accumulated(machine: Machine, items: Any) -> Any:
    """The running sums of items that may be unknown."""
    add, total = machine.binary(ast.Add), MISSING
    for item in machine.iterate(items):
        total = item if total is MISSING else add(total, item)
        yield total


def _binary(machine: Machine, kind: type[ast.operator]) -> Callable[..., Any]:
    return lambda args, kwargs: machine.binary(kind)(args[0], args[1])


def _operator(machine: Machine) -> dict[str, Any]:
    def itemgetter(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return Native(
            "itemgetter", lambda inner, _: _one_or_all([machine.getitem(inner[0], key) for key in args])
        )

    def attrgetter(args: list[Any], kwargs: dict[str, Any]) -> Any:
        return Native("attrgetter", lambda inner, _: _dotted(machine, inner[0], args[0]))

    binary = {
        "add": ast.Add,
        "mul": ast.Mult,
        "sub": ast.Sub,
        "floordiv": ast.FloorDiv,
        "truediv": ast.Div,
        "or_": ast.BitOr,
    }
    table: dict[str, Any] = {name: Native(name, _binary(machine, kind)) for name, kind in binary.items()}
    return {
        **table,
        "itemgetter": Native("itemgetter", itemgetter),
        "attrgetter": Native("attrgetter", attrgetter),
    }


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _dotted(machine: Machine, value: Any, path: Any) -> Any:
    for name in path.split(".") if isinstance(path, str) else ():
        value = machine.getattr(value, name)
    return value


MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {
    "functools": _functools,
    "itertools": _itertools,
    "operator": _operator,
}

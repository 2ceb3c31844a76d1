"""Integers that depend on something unknown: polynomials in named unknowns."""

from __future__ import annotations

from typing import Any

from bitlens.source.evaluate.values import UNKNOWN, Unknown

Monomial = tuple[tuple[str, int], ...]
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
MAXIMUM_TERMS = 40
"""A longer formula tells nobody anything."""


class Symbolic(Unknown):
    """A polynomial with integer coefficients, e.g. `4·hidden² + hidden`."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Monomial, int]) -> None:
        super().__init__("")
        self.terms = terms
        self.why = self.formula

    @classmethod
    def named(cls, name: str) -> Symbolic:
        """The unknown called `name`."""
        return cls({((name, 1),): 1})

    @property
    def names(self) -> list[str]:
        """The unknowns in it."""
        return list(dict.fromkeys(name for monomial in self.terms for name, _ in monomial))

    @property
    def formula(self) -> str:
        """The polynomial as people write it, the highest powers first."""
        ordered = sorted(self.terms.items(), key=lambda item: (-sum(power for _, power in item[0]), item[0]))
        text = " + ".join(_term(monomial, factor) for monomial, factor in ordered)
        return text.replace("+ -", "− ") or "0"


def _term(monomial: Monomial, factor: int) -> str:
    names = [name + (str(power).translate(_SUPERSCRIPTS) if power > 1 else "") for name, power in monomial]
    if not names:
        return str(factor)
    return "·".join(names if factor == 1 else [str(factor), *names])


def combine(name: str, left: Any, right: Any) -> Any:
    """`left op right` where at least one is unknown; a polynomial where it stays one."""
    a, b = _terms(left), _terms(right)
    if a is None or b is None:
        return UNKNOWN
    if name in ("add", "sub"):
        sign = 1 if name == "add" else -1
        return _symbolic(_sum(a, {monomial: sign * factor for monomial, factor in b.items()}))
    if name == "mul":
        return _symbolic(_product(a, b))
    if name == "pow" and isinstance(right, int) and 0 <= right <= 4:
        result: dict[Monomial, int] = {(): 1}
        for _ in range(right):
            result = _product(result, a)
        return _symbolic(result)
    if name == "floordiv":
        return _divided(a, right, left)
    return UNKNOWN


def _terms(value: Any) -> dict[Monomial, int] | None:
    if isinstance(value, Symbolic):
        return value.terms
    return {(): value} if type(value) is int else None


def _symbolic(terms: dict[Monomial, int]) -> Any:
    terms = {monomial: factor for monomial, factor in terms.items() if factor}
    if not any(terms):
        return terms.get((), 0)
    return Symbolic(terms) if len(terms) <= MAXIMUM_TERMS else UNKNOWN


def _sum(a: dict[Monomial, int], b: dict[Monomial, int]) -> dict[Monomial, int]:
    result = dict(a)
    for monomial, factor in b.items():
        result[monomial] = result.get(monomial, 0) + factor
    return result


def _product(a: dict[Monomial, int], b: dict[Monomial, int]) -> dict[Monomial, int]:
    result: dict[Monomial, int] = {}
    for first, m in a.items():
        for second, n in b.items():
            powers = dict(first)
            for name, power in second:
                powers[name] = powers.get(name, 0) + power
            monomial = tuple(sorted(powers.items()))
            result[monomial] = result.get(monomial, 0) + m * n
    return result


def _divided(a: dict[Monomial, int], right: Any, left: Any) -> Any:
    if type(right) is int and right and all(factor % right == 0 for factor in a.values()):
        return _symbolic({monomial: factor // right for monomial, factor in a.items()})
    if type(right) is int or isinstance(right, Symbolic):
        # What does not divide evenly becomes an unknown of its own.
        name = f"({_text(left)} // {_text(right)})"
        return Symbolic.named(name) if len(name) < 60 else UNKNOWN
    return UNKNOWN


def _text(value: Any) -> str:
    return value.formula if isinstance(value, Symbolic) else str(value)

"""What a file says about layers, models, dtypes and conversions, from syntax and names alone."""

from __future__ import annotations

from typing import TypeVar

from bitlens.source.fact_calls import CallFacts
from bitlens.source.fact_layers import LayerFacts
from bitlens.source.fact_types import (
    ClassFact,
    ConversionFact,
    DtypeFact,
    Facts,
    LayerFact,
    ModelFact,
    TensorFact,
)
from bitlens.source.knowledge import Knowledge
from bitlens.source.places import Columns
from bitlens.source.program import Program

__all__ = [
    "ClassFact",
    "ConversionFact",
    "DtypeFact",
    "Facts",
    "LayerFact",
    "ModelFact",
    "TensorFact",
    "facts",
]

Fact = TypeVar("Fact", LayerFact, TensorFact, ClassFact, ModelFact, DtypeFact, ConversionFact)


def facts(program: Program) -> Facts:
    """The facts of a program. Never raises; statements that do not parse have none."""
    body = [(node, statement.line - 1) for statement in program.source.statements for node in statement.nodes]
    knowledge = Knowledge([node for node, _ in body], program.path)
    columns = Columns(program.text)
    layers, calls = LayerFacts(knowledge, columns), CallFacts(knowledge, columns)
    for node, offset in body:
        layers.statement(node, offset)
        calls.statement(node, offset)
    return Facts(
        _ordered(layers.layers),
        _ordered(layers.tensors),
        _ordered(layers.classes),
        _ordered(calls.models),
        _ordered(calls.dtypes),
        _ordered(calls.conversions),
    )


def _ordered(found: list[Fact]) -> tuple[Fact, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda fact: (fact.line, fact.column)))

"""Runs a model's construction in the abstract: exact layers, shapes and lines, without torch and without
importing."""

from bitlens.source.evaluate.construction import Construction, ModuleRecord, TensorRecord
from bitlens.source.evaluate.construction_model import to_model
from bitlens.source.evaluate.front import Roots, evaluate, keep, roots, written
from bitlens.source.evaluate.limits import Limits

__all__ = [
    "Construction",
    "Limits",
    "ModuleRecord",
    "Roots",
    "TensorRecord",
    "evaluate",
    "keep",
    "roots",
    "to_model",
    "written",
]

"""What a function of a library makes, told by its name: loaders, model zoos, files that cannot be read."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal

from bitlens.source import libraries
from bitlens.source.knowledge import Knowledge

Kind = Literal[
    "constructor", "pretrained", "library", "file", "factory", "copy", "conversion", "method", "external"
]
_BUILDER = re.compile(r"(build|create|get|make|load|init)_?\w*(model|net|network|backbone)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """An expression whose value is a model."""

    kind: Kind
    class_name: str
    """Best guess: the dotted class or function that makes it."""
    suffix: str = ""
    """What to append to the expression to reach the module, e.g. `.model` of a pipeline or `[0]` of a
    tuple."""


def is_library_function(dotted: str) -> bool:
    """Whether a library's function builds a model: those of torchvision, timm, hubs."""
    known = dotted in libraries.MODEL_FUNCTIONS or libraries.TORCHVISION.match(dotted)
    return bool(known or libraries.TIMM.match(dotted))


def from_library(node: ast.Call, dotted: str) -> ModelUse:
    """The model of such a function, `timm.create_model('vit')`."""
    literal = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    named = literal and not dotted.startswith("torchvision.")
    return ModelUse("library", f"{dotted}({literal[0]!r})" if named else dotted, _suffix(dotted))


def from_loader(node: ast.Call, dotted: str, knowledge: Knowledge) -> ModelUse | None:
    """The model of `AutoModel.from_pretrained` and the like; None where it loads something else."""
    owner = dotted.rpartition(".")[0]
    last = owner.rsplit(".", 1)[-1]
    if libraries.NOT_MODELS.search(last) or libraries.OTHER_WEIGHTS.search(last):
        return None
    if dotted.partition(".")[0] in libraries.OTHER_FRAMEWORKS or last.startswith(
        ("AutoTokenizer", "AutoProcessor", "AutoConfig")
    ):
        return None
    if not (last[:1].isupper() or knowledge.is_module(owner)):
        return None
    return ModelUse(
        "pretrained", owner, "[0]" if _asks_for_info(node) or owner.startswith("unsloth.") else ""
    )


def from_foreign(dotted: str) -> ModelUse | None:
    """A function of a file that cannot be read, taken by its name: `build_model`, `get_network`."""
    return ModelUse("factory", dotted) if _BUILDER.match(dotted.rsplit(".", 1)[-1]) else None


def _suffix(dotted: str) -> str:
    if dotted.endswith("pipeline"):
        return ".model"
    if dotted in {
        "clip.load",
        "open_clip.create_model_and_transforms",
        "open_clip.create_model_from_pretrained",
    }:
        return "[0]"
    return ""


def _asks_for_info(node: ast.Call) -> bool:
    return any(keyword.arg == "output_loading_info" for keyword in node.keywords)

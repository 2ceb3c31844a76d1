"""Calls that quantize weights, the scheme that each asks for, and the layers that quanto's leave out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape

from bitlens.analysis import Placed
from bitlens.editing.acts import Act, acts, quanto
from bitlens.editing.arguments import changed, set_keyword
from bitlens.editing.code import Bound, Code, Region, argument, chained
from bitlens.editing.offers import TextEdit
from bitlens.schemes import all_ids
from bitlens.source.slicing.scopes import Atom

TORCHAO = {
    "Int8WeightOnlyConfig": "torchao.int8_weight_only",
    "Int8DynamicActivationInt8WeightConfig": "torchao.int8_dynamic",
    "Int4WeightOnlyConfig": "torchao.int4_weight_only",
}
"""torchao's configurations to the schemes that measure what they do to weights."""


@dataclass(frozen=True, eq=False)
class Quantization:
    """One call that quantizes a model's weights."""

    region: Region
    atom: Atom
    call: ast.Call
    model: str
    """The variable or chain that is quantized."""
    library: str
    """`quanto`, `torch.ao` or `torchao`."""
    scheme: str
    """The id of the format as it is measured; empty for one that is not."""
    bound: Bound | None
    """The statement that made the model, where it stands in the same scope."""

    @property
    def can_exclude(self) -> bool:
        """Whether the call takes `exclude=`, and it is absent or written out so that it can be added to."""
        given = argument(self.call, "exclude")
        return self.library == "quanto" and (given is None or _literal(given) is not None)

    def is_about(self, placed: Placed) -> bool:
        """Whether the measured model is the one that this call quantizes; its name where its line is not
        known.
        """
        model = placed.numbers.model
        line = placed.here.get(model.line) if model.line is not None else None
        if self.bound is None or line is None:
            return model.name.partition(":")[0] == self.model.rpartition(".")[2]
        first = self.bound.value.lineno + self.bound.atom.offset
        return first <= line <= (self.bound.value.end_lineno or 0) + self.bound.atom.offset


def quantizations(code: Code) -> tuple[Quantization, ...]:
    """Every call that quantizes weights: quanto's `quantize`, torch.ao's `quantize_dynamic`, torchao's
    `quantize_`.
    """
    return tuple(_quantizations(code))


def _quantizations(code: Code) -> Iterator[Quantization]:
    for region in code.regions:
        for act in acts(code, region):
            scheme = _scheme(code, act) if act.kind == "quantize" else None
            if scheme is not None and act.model in {chained(node) for node in _arguments(act.call)}:
                made = [b for b in region.bound if b.variable == act.model and b.atom.index < act.atom.index]
                known = scheme if scheme in all_ids() else ""
                last = made[-1] if made else None
                yield Quantization(region, act.atom, act.call, act.model, act.detail, known, last)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _scheme(code: Code, act: Act) -> str | None:
    """The scheme that a call asks for; None where it converts no weights, or does not say into what."""
    if act.detail == "quanto":
        name = _format(code, argument(act.call, "weights", 1))
        return f"quanto.{name}" if name else None
    if act.detail == "torch.ao":
        return "torch_ao.dynamic_int8" if code.meaning(act.call.func).endswith(".quantize_dynamic") else None
    config = argument(act.call, "config", 1)
    name = code.meaning(config.func).rpartition(".")[2] if isinstance(config, ast.Call) else ""
    return TORCHAO.get(name)


def _format(code: Code, given: ast.expr | None) -> str | None:
    if isinstance(given, ast.Constant):
        return given.value if isinstance(given.value, str) else None
    name = quanto(code, given) if given is not None else None
    return {"qfloat8_e4m3fn": "qfloat8"}.get(name, name) if name else None


def _literal(given: ast.expr) -> list[str] | None:
    """The patterns of `exclude="a"` or `exclude=["a", "b"]`; None where they are computed."""
    items = given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given]
    found = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return found if len(found) == len(items) else None


def matches(given: ast.expr | None, path: str) -> bool:
    """Whether patterns that are written out name a layer."""
    patterns = _literal(given) if given is not None else None
    return any(fnmatchcase(path, pattern) for pattern in patterns or ())


def excluded(
    code: Code, call: Quantization, paths: Sequence[str], everything: Iterable[str]
) -> tuple[TextEdit, ...]:
    """The edit that adds layers to `exclude=`; nothing where they are in it."""
    given = argument(call.call, "exclude")
    paths = [path for path in paths if not matches(given, path)]
    if not paths:
        return ()
    old = _literal(given) or [] if given is not None else []
    wanted = [*old, *patterns(paths, everything)]
    quote = quote_of(code.text)
    shown = [f"{quote}{item}{quote}" for item in wanted]
    value = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    return changed(code, call.call, call.atom, set_keyword("exclude", value))


def patterns(paths: Sequence[str], everything: Iterable[str]) -> list[str]:
    """The fewest patterns that name these layers and no others: `layers.*.fc` where every number is meant."""
    everything, wanted = list(everything), set(paths)
    found: dict[str, None] = {}
    for path in paths:
        exact = escape(path)
        general = re.sub(r"(?<![^.])\d+(?![^.])", "*", exact)
        same = {other for other in everything if fnmatchcase(other, general)}
        found[general if general != exact and len(same) > 1 and same <= wanted else exact] = None
    return list(found)


def first_of(paths: Sequence[str]) -> str:
    """Layers or patterns in a title: the first one by name, the others by their number."""
    return f"`{paths[0]}`" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def quote_of(text: str) -> str:
    """The quote that a program uses more."""
    return "'" if text.count("'") > text.count('"') else '"'

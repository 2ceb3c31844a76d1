"""A model as a tree of its modules with sizes and errors: as text for any editor, and as data for a view."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bitlens.analysis import Placed
from bitlens.features import markdown
from bitlens.features.labels import dtype, outcome, scheme
from bitlens.measurement import Layer
from bitlens.numbers import together
from bitlens.quantities import count, size


@dataclass
class _Node:
    name: str
    layer: Layer | None = None
    children: dict[str, _Node] = field(default_factory=dict)

    def layers(self) -> list[Layer]:
        own = [self.layer] if self.layer else []
        return own + [layer for child in self.children.values() for layer in child.layers()]


def _tree(layers: tuple[Layer, ...], name: str) -> _Node:
    root = _Node(name)
    for layer in layers:
        node = root
        for part in layer.path.split(".") if layer.path else ():
            node = node.children.setdefault(part, _Node(part))
        node.layer = layer
    return root


def as_data(placed: Placed) -> dict[str, Any]:
    """The tree as JSON: name, type, file, line, parameters, bytes, dtype, schemes, histogram, children."""
    return _data(_tree(placed.numbers.model.layers, placed.numbers.model.name))


def _data(node: _Node) -> dict[str, Any]:
    layers = node.layers()
    ids = dict.fromkeys(id for layer in layers for id in layer.schemes)
    schemes = {id: together([la.schemes[id] for la in layers if id in la.schemes]) for id in ids}
    return {
        "name": node.name,
        "type": node.layer.type if node.layer else None,
        "file": node.layer.file if node.layer else None,
        "line": node.layer.line if node.layer else None,
        "dtype": node.layer.dtype if node.layer else None,
        "parameters": sum(layer.parameters for layer in layers),
        "bytes": sum(layer.bytes + layer.buffer_bytes for layer in layers),
        "schemes": {id: {"bytes": r.bytes, "relative_error": r.relative_error} for id, r in schemes.items()},
        "histogram": asdict(node.layer.histogram) if node.layer and node.layer.histogram else None,
        "children": [_data(child) for child in node.children.values()],
    }


def as_text(placed: Placed) -> str:
    """The tree as a text document; layers that repeat with other numbers in their path stand once."""
    model = placed.numbers.model
    lines = [f"{model.class_}  {count(model.parameters)} parameters  {size(model.bytes)}"]
    lines += [markdown.origin(placed.numbers, placed.stale).replace("**", ""), markdown.NOT_DAMAGE, ""]
    _write(_tree(model.layers, model.name), "", lines)
    return "\n".join(lines) + "\n"


def _write(node: _Node, indent: str, lines: list[str]) -> None:
    for run in _runs(list(node.children.values())):
        first = run[0]
        name = first.name if len(run) == 1 else f"{first.name} … {run[-1].name}  ×{len(run)}"
        lines.append(
            f"{indent}{name}  {_numbers([la for one in run for la in one.layers()], first.layer)}".rstrip()
        )
        _write(first, indent + "  ", lines)


def _runs(nodes: list[_Node]) -> list[list[_Node]]:
    """Neighbours of the same shape together: the blocks of a transformer."""
    runs: list[list[_Node]] = []
    for node in nodes:
        if runs and _shape(runs[-1][0]) == _shape(node):
            runs[-1].append(node)
        else:
            runs.append([node])
    return runs


def _shape(node: _Node) -> Any:
    layer = node.layer
    own = (layer.type, layer.bytes, layer.dtype) if layer else None
    return own, node.name.isdigit(), tuple((c.name, _shape(c)) for c in node.children.values())


def _numbers(layers: list[Layer], own: Layer | None) -> str:
    words = [own.type] if own else []
    words += [size(sum(layer.bytes + layer.buffer_bytes for layer in layers))]
    dtypes = {layer.dtype for layer in layers}
    words += [dtype(dtypes.pop()) if len(dtypes) == 1 else "mixed"]
    ids = dict.fromkeys(id for layer in layers for id in layer.schemes if id.startswith("quanto."))
    words += [
        f"{scheme(id)} {outcome(together([la.schemes[id] for la in layers if id in la.schemes]))}"
        for id in ids
    ]
    return "  ".join(words)

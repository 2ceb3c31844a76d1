"""A model's layers as nested modules: numbered siblings that are alike are one, deep levels summed up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from bitlens.measurement import Layer

_DEEPEST = 64
"""Levels kept apart; a checkpoint's names are anyone's, and Python's stack has an end."""
ITSELF = "(itself)"


@dataclass
class Node:
    """A module, or several numbered ones that are alike (`name` is then `0-11`, `count` 12)."""

    name: str
    layers: list[Layer] = field(default_factory=list)
    """The module's own tensors: one layer for each module that this node stands for, or none."""
    children: list[Node] = field(default_factory=list)
    count: int = 1

    def all_layers(self) -> Iterator[Layer]:
        """The layers of this node and everything below it."""
        yield from self.layers
        for child in self.children:
            yield from child.all_layers()


def grow(layers: tuple[Layer, ...]) -> Node:
    """The modules as they are nested, in the model's order; the root stands for the model."""
    root = Node("")
    found: dict[tuple[str, ...], Node] = {(): root}
    for layer in layers:
        node = root
        parts = tuple(layer.path.split(".", _DEEPEST)) if layer.path else ()
        for depth in range(1, len(parts) + 1):
            child = found.get(parts[:depth])
            if child is None:
                child = found[parts[:depth]] = Node(parts[depth - 1])
                node.children.append(child)
            node = child
        node.layers.append(layer)
    return root


def fold(node: Node) -> Node:
    """The same tree with runs of alike numbered siblings as one node, and corridors without a door joined."""
    return _join(_fold(node))


def cut(node: Node, depth: int) -> Node:
    """The tree down to `depth` levels below this node; what is deeper belongs to the deepest node shown."""
    if depth == 0:
        return Node(node.name, list(node.all_layers()), [], node.count)
    return Node(node.name, node.layers, [cut(child, depth - 1) for child in node.children], node.count)


def _fold(node: Node) -> Node:
    children = [_fold(child) for child in node.children]
    folded = [merged for _, run in groupby(children, _alike) for merged in _merge_run(list(run))]
    return Node(node.name, node.layers, folded, node.count)


def _alike(node: Node) -> Hashable:
    return _shape(node) if node.name.isdecimal() else node.name


def _shape(node: Node) -> Hashable:
    """Equal for modules whose rows would differ in nothing but their weights."""
    own = tuple(_layer_shape(layer) for layer in node.layers)
    return own, node.count, tuple((child.name, _shape(child)) for child in node.children)


def _layer_shape(layer: Layer) -> Hashable:
    tensors = tuple(
        (tensor.name, tensor.shape, tensor.dtype, tensor.tied_to is None) for tensor in layer.tensors
    )
    converted = tuple((name, result.converted) for name, result in layer.schemes.items())
    return layer.type, layer.file, layer.line, layer.bytes, tensors, converted


def _merge_run(run: list[Node]) -> list[Node]:
    if len(run) == 1 or not run[0].name.isdecimal():
        return run
    merged = _merge(run)
    return [Node(_numbers([int(node.name) for node in run]), merged.layers, merged.children, len(run))]


def _merge(nodes: list[Node]) -> Node:
    layers = [layer for node in nodes for layer in node.layers]
    children = [_merge(list(same)) for same in zip(*(node.children for node in nodes), strict=True)]
    return Node(nodes[0].name, layers, children, nodes[0].count)


def _numbers(numbers: list[int]) -> str:
    """`0-11` where none is missing, else the first ones and the last."""
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    if len(numbers) <= 3:
        return ",".join(map(str, numbers))
    return f"{numbers[0]},{numbers[1]},…,{numbers[-1]}"


def _join(node: Node) -> Node:
    """`encoder`, `layer` and `0-5` are one row where nothing else is in between."""
    children = [_join(child) for child in node.children]
    if len(children) == 1 and node.name and node.count == 1 and not node.layers:
        only = children[0]
        return Node(f"{node.name}.{only.name}", only.layers, only.children, only.count)
    return Node(node.name, node.layers, children, node.count)

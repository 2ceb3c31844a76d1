"""The layer table of one model: the tree view and the flat view, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitlens.cli.messages import place_of
from bitlens.cli.table import Column, Table, Words
from bitlens.cli.tree import ITSELF, Node, cut, fold, grow
from bitlens.measurement import Layer, Model, SchemeResult
from bitlens.quantities import NO_VALUE, UNKNOWN, count, percent, percent_range, size

WEIGHT_ERROR = "weight error"
AS_IS = "as is"
ESTIMATE = "~"
"""Before an error that is estimated from sampled rows."""


@dataclass(frozen=True)
class View:
    """How the user wants to see the layers."""

    flat: bool = False
    depth: int | None = None
    sort: str | None = None
    top: int | None = None


def layer_table(model: Model, schemes: Sequence[str], view: View) -> tuple[Table, int]:
    """The table and the number of rows that `--top` left out."""
    listed = list(rows(model, view))
    shown = listed[: view.top] if view.top else listed
    columns = (*_FIRST_COLUMNS, *_scheme_columns(schemes), Column(("line",), "left", 2))
    cells = tuple((name, *_cells(node, own, schemes)) for name, node, own in shown)
    return known_columns(Table(columns, cells)), len(listed) - len(shown)


_FIRST_COLUMNS = (
    Column(("layer",), "left"),
    Column(("type",), "left", 4),
    Column(("params",), "right", 6),
    Column(("dtype",), "left", 3),
    Column(("size",)),
)

Row = tuple[Words, Node, bool]
"""Name cell, the modules of the row, and whether its deeper modules have rows of their own."""


def rows(model: Model, view: View) -> Iterator[Row]:
    """The rows that the user asked for, in order; `view.top` is not applied."""
    return (_flat_rows if view.flat or view.top else _tree_rows)(model, view)


def _tree_rows(model: Model, view: View) -> Iterator[Row]:
    root = fold(grow(model.layers))
    return _below(cut(root, view.depth) if view.depth else root, view.sort, "")


def _below(node: Node, sort: str | None, indent: str) -> Iterator[Row]:
    parts = [Node(ITSELF, node.layers)] if node.layers else []
    for child in _ordered(parts + node.children, sort):
        times = f" ×{child.count}" if child.count > 1 else ""
        yield (
            Words(f"{indent}{child.name}{times}", "group" if child.children else ""),
            child,
            bool(child.children),
        )
        if child.children:
            yield from _below(child, sort, indent + "  ")


def _flat_rows(model: Model, view: View) -> Iterator[Row]:
    nodes: dict[str, Node] = {}
    for layer in model.layers:
        path = ".".join(layer.path.split(".")[: view.depth]) or ITSELF
        nodes.setdefault(path, Node(path)).layers.append(layer)
    sort = view.sort or ("bytes" if view.top else None)
    for node in _ordered(list(nodes.values()), sort):
        yield Words(node.name), node, False


def _ordered(nodes: list[Node], sort: str | None) -> list[Node]:
    keys: dict[str | None, Callable[[Node], object]] = {
        "bytes": lambda node: -_bytes(node),
        "error": lambda node: -_largest_error(node),
        "path": lambda node: [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
                              for part in node.name.replace("-", ".").split(".")],
    }  # fmt: skip
    return sorted(nodes, key=keys[sort]) if sort else nodes  # type: ignore[arg-type]


def _bytes(node: Node) -> int:
    return sum(layer.bytes for layer in node.all_layers())


def _largest_error(node: Node) -> float:
    results = (result for layer in node.all_layers() for result in layer.schemes.values())
    return max((result.relative_error or 0.0 for result in results), default=0.0)


def _cells(node: Node, has_rows_below: bool, schemes: Sequence[str]) -> tuple[Words, ...]:
    layers = list(node.all_layers())
    total = (Words(count(sum(layer.parameters for layer in layers))), Words(_size(layers)))
    if has_rows_below:
        kind = Words(same([layer.type for layer in node.layers], ""), "quiet")
        return (kind, total[0], Words(""), total[1], *[Words("")] * len(schemes), Words(""))
    errors = [_error(layers, name) for name in schemes]
    kind = Words(same([layer.type for layer in layers], f"{len(layers)} layers"), "quiet")
    dtype = Words(
        same([layer.dtype for layer in filter(has_parameters, layers)] or [layers[0].dtype], "mixed")
    )
    return (kind, total[0], dtype, total[1], *errors, Words(_place(layers), "quiet"))


def _size(layers: list[Layer]) -> str:
    parameters = [tensor for layer in layers for tensor in layer.tensors if tensor.kind == "parameter"]
    if parameters and all(tensor.tied_to for tensor in parameters):
        return "tied"
    if not parameters and any(layer.buffer_bytes for layer in layers):
        return f"({size(sum(layer.buffer_bytes for layer in layers))})"
    return size(sum(layer.bytes for layer in layers))


def has_parameters(layer: Layer) -> bool:
    """Whether there is anything to convert; some layers hold buffers alone."""
    return any(tensor.kind == "parameter" for tensor in layer.tensors)


def same(values: list[str], otherwise: str) -> str:
    """The one value that all have, or `otherwise`."""
    return values[0] if len(set(values)) == 1 else otherwise


def _error(layers: list[Layer], scheme: str) -> Words:
    """The range of the weight error over the layers of a row."""
    results = [layer.schemes[scheme] for layer in layers if scheme in layer.schemes and has_parameters(layer)]
    converted = [result for result in results if result.converted]
    if not results:
        return Words(NO_VALUE, "quiet")
    if not converted:
        return Words(AS_IS, "quiet")
    errors = [result.relative_error for result in converted if result.relative_error is not None]
    if not errors:
        return Words(UNKNOWN, "quiet")
    overflow = sum(result.overflow or 0 for result in converted)
    lost = f", {count(overflow)} to inf" if overflow else ""
    about = ESTIMATE if any(result.interval for result in converted) else ""
    return Words(about + percent_range(min(errors), max(errors)) + lost, "warning" if overflow else "")


def error_text(result: SchemeResult) -> str:
    """A weight error; an estimate with its interval."""
    if result.interval is None or result.relative_error is None:
        return percent(result.relative_error)
    return f"{ESTIMATE}{percent(result.relative_error)} ({percent_range(*result.interval)})"


def _place(layers: list[Layer]) -> str:
    places = {place_of(layer, Path(layer.file).name) if layer.file else "" for layer in layers}
    return places.pop() if len(places) == 1 else ""


def _scheme_columns(names: Sequence[str]) -> list[Column]:
    """The first one stays longest where there is little room."""
    return [Column((WEIGHT_ERROR, name), "right", 5 if at else 1) for at, name in enumerate(names)]


def known_columns(table: Table) -> Table:
    """A bare checkpoint has no source lines, so it gets no column of blanks."""
    last = len(table.columns) - 1
    return table if any(row[last].text for row in table.rows) else table.without(last)

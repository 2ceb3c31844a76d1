"""Folding keeps every layer: only what would read the same is put in one row."""

from __future__ import annotations

from dataclasses import replace

from bitlens.cli.tree import Node, cut, fold, grow
from bitlens.measurement import Layer, Model
from hypothesis import given
from hypothesis import strategies as st


def layer(path: str, kind: str = "Linear", line: int = 1, size: int = 4) -> Layer:
    return Layer(path, kind, "net.py", line, size, size * 4, 0, "float32", ())


def drawn(node: Node, indent: str = "") -> str:
    """The tree as text: name, and how many modules it stands for."""
    lines = [f"{indent}{child.name} {child.count}\n{drawn(child, indent + '  ')}" for child in node.children]
    return "".join(lines)


def folded(*layers: Layer) -> str:
    return drawn(fold(grow(layers)))


def test_equal_blocks_are_one_and_a_corridor_is_joined() -> None:
    layers = [
        layer(f"encoder.layer.{n}.{part}")
        for n in range(12)
        for part in ("attention.q", "attention.k", "mlp")
    ]
    assert folded(*layers) == (
        "encoder.layer.0-11 12\n"
        "  attention 1\n"
        "    q 1\n"
        "    k 1\n"
        "  mlp 1\n"
    )  # fmt: skip


def test_blocks_inside_blocks_fold_too() -> None:
    layers = [layer(f"layers.{n}.experts.{e}.up") for n in range(3) for e in range(8)]
    node = fold(grow(tuple(layers)))
    assert drawn(node) == "layers.0-2 3\n  experts.0-7 8\n    up 1\n"
    assert sorted(found.path for found in node.all_layers()) == sorted(found.path for found in layers)


def test_numbers_with_holes_are_named() -> None:
    assert folded(layer("0"), layer("2"), layer("4")) == "0,2,4 3\n"
    assert folded(*(layer(str(n)) for n in range(0, 12, 2))) == "0,2,…,10 6\n"


def test_what_differs_stays_apart() -> None:
    assert folded(layer("0"), layer("1", size=8)) == "0 1\n1 1\n", "another size"
    assert folded(layer("0"), layer("1", "Conv1d")) == "0 1\n1 1\n", "another type"
    assert folded(layer("0"), layer("1", line=2)) == "0 1\n1 1\n", "another source line"
    assert folded(layer("a"), layer("b")) == "a 1\nb 1\n", "names are no numbers"


def test_a_run_is_broken_by_what_differs() -> None:
    kinds = ["Linear", "Linear", "Conv1d", "Linear", "Linear"]
    assert folded(*(layer(str(n), kind) for n, kind in enumerate(kinds))) == "0-1 2\n2 1\n3-4 2\n"


def test_cut_keeps_every_layer(model: Model) -> None:
    tree = fold(grow(model.layers))
    for depth in range(1, 4):
        shown = cut(tree, depth)
        assert sorted(layer.path for layer in shown.all_layers()) == sorted(
            layer.path for layer in model.layers
        )


def test_a_name_of_ten_thousand_levels_is_no_deep_recursion() -> None:
    assert len(list(fold(grow((layer(".".join("a" * 10_000)),))).all_layers())) == 1


names = st.lists(st.sampled_from(["0", "1", "2", "7", "a", "b"]), max_size=4).map(".".join)


@given(st.lists(st.tuples(names, st.sampled_from(["Linear", "Conv1d"])), unique_by=lambda pair: pair[0]))
def test_folding_loses_no_layer(pairs: list[tuple[str, str]]) -> None:
    layers = tuple(layer(path, kind) for path, kind in pairs)
    assert sorted(found.path for found in fold(grow(layers)).all_layers()) == sorted(
        path for path, _ in pairs
    )


def test_errors_and_values_do_not_keep_equal_blocks_apart(model: Model) -> None:
    doubled = tuple(replace(found, parameters=found.parameters) for found in model.layers)
    assert "decoder.layers.0-11 12" in drawn(fold(grow(doubled)))

"""Numbers in the few characters that a hint has: at most three significant digits and 34 characters."""

from __future__ import annotations

from collections.abc import Sequence

from bitlens.measurement import SchemeResult
from bitlens.quantities import count, size

WIDEST = 34
"""Characters of the longest label; an editor gives all hints of a line together about 43."""

_SHORT = {
    "float64": "fp64",
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "complex64": "c64",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8e5",
}


def dtype(name: str | None) -> str:
    """torch's name of a dtype as people say it: `fp32`, `bf16`; other names stay, cut to ten characters."""
    return "" if name is None else _SHORT.get(name, name)[:10]


def scheme(id: str) -> str:
    """What a scheme is called in a label: `int8` for `quanto.qint8`, `bf16` for the cast to bfloat16."""
    last = id.rsplit(".", 1)[-1] if not id.startswith(("int8.", "int4.")) else id.split(".", 1)[0]
    return _SHORT.get(last, last.removeprefix("q"))[:6]


def share(value: float | None) -> str:
    """A relative error in at most four characters: `.06%`, `.6%`, `9.9%`, `12%`; `–` where there is none."""
    if value is None:
        return "–"
    percent = value * 100
    if percent == 0:
        return "0%"
    if percent < 0.005:
        return "<.01%"
    for below, digits in ((0.095, 2), (0.95, 1), (9.95, 1)):
        if percent < below:
            return f"{percent:.{digits}f}%".removeprefix("0")
    return f"{percent:.0f}%" if percent < 999 else ">999%"


def short_count(amount: int | None) -> str:
    """Elements in at most four characters, two significant digits below 100: `5.5K`, `23M`, `110M`."""
    text = count(amount)
    number, unit = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    if not unit:
        return text
    return f"{float(number):.1f}{unit}" if float(number) < 9.95 else f"{float(number):.0f}{unit}"


def short_size(amount: int | None) -> str:
    """Bytes in at most seven characters, two significant digits below 100: `2.4 MB`, `23 MB`, `234 MB`."""
    if amount is None:
        return "?"
    number, unit = size(amount).split(" ")
    if unit == "B":
        return f"{number} B"
    value = amount / 1000 ** ("B", "KB", "MB", "GB", "TB", "PB").index(unit)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def outcome(result: SchemeResult | None) -> str:
    """What a scheme does to a layer: its error, `same` where the layer is left alone, `?` where nothing is
    known.
    """
    if result is None:
        return "?"
    if not result.converted:
        return "same"
    return f"~{share(result.relative_error)}" if result.interval else share(result.relative_error)


def model_label(
    elements: int | None, kind: str, total: int | None, items: Sequence[tuple[str, int]]
) -> tuple[str, ...]:
    """A model's elements, dtype and bytes, and what schemes would leave, each size with its unit.

    Written narrower until it fits: without blanks, then without the dtype, which says least beside sizes.
    """
    sizes = [f"{name} {short_size(amount)}" for name, amount in items]
    narrow = [f"{name} {short_size(amount).replace(' ', '')}" for name, amount in items]
    tight = short_size(total).replace(" ", "")
    for words, tail, separator in (
        ((count(elements), kind, short_size(total)), sizes, " · "),
        ((count(elements), kind, short_size(total)), sizes, "·"),
        ((short_count(elements), kind, tight), narrow, "·"),
        ((count(elements), short_size(total)), sizes, "·"),
        ((short_count(elements), tight), narrow, "·"),
    ):
        pieces = (" ".join(filter(None, words)), *(separator + item for item in tail))
        if len("".join(pieces)) <= WIDEST:
            return pieces
    return model_label(elements, kind, total, items[:-1])


def fitted(head: Sequence[str], tail: Sequence[str]) -> tuple[str, ...]:
    """`head` words and `tail` items as the pieces of one label; what does not fit is written narrower, then
    dropped.

    The words of `head` end with the dtype and the size; the dtype goes before an item does.
    """
    narrow = [*head[:-2], head[-1]] if len(head) > 1 else head
    for words, separator in ((head, " · "), (head, "·"), (narrow, "·")):
        pieces = (" ".join(words), *(separator + item for item in tail))
        if len("".join(pieces)) <= WIDEST:
            return pieces
    return fitted(head, tail[:-1]) if tail else (" ".join(head)[:WIDEST],)

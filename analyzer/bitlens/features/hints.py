"""What stands at the end of a line: the bits, bytes and weight errors of what the line constructs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

from bitlens.analysis import Analysis, Placed
from bitlens.features.labels import WIDEST, dtype, fitted, model_label, outcome, scheme, short_size
from bitlens.measurement import SchemeResult
from bitlens.numbers import LineNumbers
from bitlens.quantities import count, parse_size
from bitlens.settings import Hints

Kind = Literal["layer", "composite", "model"]
_LONGEST = 27
"""Characters of a formula in a hint; a longer one stands in the hover alone."""
STATIC = "static"
"""The word that marks a number that was derived from the source; a measured one carries none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a label with what it is about: `memory`, or a scheme's id."""

    text: str
    topic: str


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint, at the end of `line` (from 1)."""

    line: int
    kind: Kind
    pieces: tuple[Piece, ...]

    @property
    def label(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces)


_made: WeakKeyDictionary[Analysis, tuple[Hint, ...]] = WeakKeyDictionary()


def hints(analysis: Analysis) -> tuple[Hint, ...]:
    """All hints of a file, by line. Made once: an editor asks again at every scroll."""
    found = _made.get(analysis)
    if found is None:
        off = analysis.settings.hints.preset == "off"
        found = () if off else tuple(sorted(_all(analysis), key=lambda hint: hint.line))
        _made[analysis] = found
    return found


def _all(analysis: Analysis) -> Iterator[Hint]:
    wanted = analysis.settings.hints
    least = parse_size(wanted.minimum_size or "0")
    for line, placed in analysis.models.items():
        if wanted.models and (wanted.static or placed[0].numbers.origin == "measured"):
            yield Hint(line, "model", _model(placed, wanted))
    for line, entries in analysis.lines.items():
        if line not in analysis.models:
            made = _of_line(tuple(_Known(entry.numbers, entry.measured) for entry in entries), wanted, least)
            if made is not None:
                yield Hint(line, *made)


class _Known(NamedTuple):
    """An entry without the line on which it stands: what the label depends on, and no edit changes."""

    numbers: LineNumbers
    measured: bool


@lru_cache(maxsize=4096)
def _of_line(entries: tuple[_Known, ...], wanted: Hints, least: int) -> tuple[Kind, tuple[Piece, ...]] | None:
    if not _is_wanted(entries, wanted, least):
        return None
    return "layer" if entries[0].numbers.own else "composite", _line(entries, wanted)


def _is_wanted(entries: Sequence[_Known], wanted: Hints, least: int) -> bool:
    first = entries[0]
    if not (wanted.static or first.measured):
        return False
    if not (wanted.layers if first.numbers.own else wanted.composites):
        return False
    if any(entry.numbers.certainty == "unknown" for entry in entries):
        return True
    sizes = [_bytes(entry) for entry in entries]
    return any(size is not None and size >= max(least, 1) for size in sizes)


def _bytes(entry: _Known) -> int | None:
    return None if entry.numbers.bytes is None else entry.numbers.bytes + entry.numbers.buffer_bytes


def _least(entry: _Known) -> int | None:
    least = entry.numbers.least_bytes
    return None if least is None else least + entry.numbers.buffer_bytes


def _line(entries: Sequence[_Known], wanted: Hints) -> tuple[Piece, ...]:
    first = entries[0]
    if not first.measured:
        return _static(entries)
    times = [f"×{len(first.numbers.paths)}"] if len(first.numbers.paths) > 1 else []
    memory = [*times, dtype(first.numbers.dtype), short_size(_bytes(first))]
    return _pieces(memory, _items(first.numbers.schemes, wanted), wanted)


def _static(entries: Sequence[_Known]) -> tuple[Piece, ...]:
    """Exact where all roots agree, else the range that they span; a formula where a size is not known."""
    unknown = next((entry.numbers for entry in entries if entry.numbers.certainty == "unknown"), None)
    if unknown is not None:
        text = unknown.formula if 0 < len(unknown.formula) <= _LONGEST else "?"
        return (Piece(f"{STATIC} {text}", "memory"),)
    sizes = sorted(size for entry in entries for size in (_least(entry), _bytes(entry)) if size is not None)
    bounds = ((e.numbers.least_parameters, e.numbers.parameters) for e in entries)
    elements = sorted({n for pair in bounds for n in pair if n is not None})
    times = {len(entry.numbers.paths) for entry in entries}
    words = [STATIC, *([f"×{max(times)}"] if times != {1} and len(times) == 1 else [])]
    words += [_span([count(n) for n in elements]), _span([short_size(size) for size in sizes])]
    text = " ".join(words)
    return (Piece(text if len(text) <= 34 else " ".join([*words[:-2], words[-1]])[:34], "memory"),)


def _span(texts: Sequence[str]) -> str:
    """The first and last text, `1.2–4.7 MB`; one text where they read the same."""
    low, high = texts[0], texts[-1]
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number if unit and high.endswith(' ' + unit) else low}–{high}"


def _items(known: Mapping[str, SchemeResult], wanted: Hints) -> list[tuple[str, str]]:
    return [(f"{scheme(id)} {outcome(known[id])}", id) for id in wanted.schemes[:2] if id in known]


def _pieces(memory: Sequence[str], items: Sequence[tuple[str, str]], wanted: Hints) -> tuple[Piece, ...]:
    if wanted.preset == "size":
        memory, items = memory[-1:], []
    elif wanted.preset == "compact":
        memory, items = [*memory[:-2], memory[-1]], items[-1:]
    texts = fitted([word for word in memory if word], [text for text, _ in items])
    return _topical(texts, [id for _, id in items])


def _topical(texts: Sequence[str], ids: Sequence[str]) -> tuple[Piece, ...]:
    """The texts of a label with what each is about: the first the memory, the others a scheme."""
    return tuple(Piece(text, topic) for text, topic in zip(texts, ("memory", *ids), strict=False))


def _model(placed: Sequence[Placed], wanted: Hints) -> tuple[Piece, ...]:
    model = placed[0].numbers.model
    total = model.memory
    names = list(model.dtypes)
    kind = "" if not names else dtype(names[0]) if len(names) == 1 else "mixed"
    if placed[0].numbers.origin == "static":
        words = (STATIC, count(model.parameters), kind, short_size(total))
        return (Piece(" ".join(filter(None, words))[:WIDEST], "memory"),)
    ids = [id for id in wanted.schemes[:2] if id in model.schemes]
    left = [(scheme(id), model.schemes[id].bytes + model.schemes[id].buffer_bytes) for id in ids]
    if wanted.preset == "size":
        return (Piece(short_size(total), "memory"),)
    if wanted.preset == "compact":
        texts = fitted(
            [count(model.parameters), short_size(total)], [f"{n} {short_size(b)}" for n, b in left[-1:]]
        )
        return _topical(texts, ids[-1:])
    return _topical(model_label(model.parameters, kind, total, left), ids)

"""Tables and sentences of hovers, as Markdown that also reads well where it is not rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from bitlens import schemes
from bitlens.features.formats import dynamic_range
from bitlens.features.labels import dtype
from bitlens.measurement import Layer, SchemeResult, Tensor
from bitlens.numbers import Numbers
from bitlens.quantities import NO_VALUE, percent, percent_range, size, three_digits

NOT_DAMAGE = "The error is that of the weights, not of the model's answers."
_MOST_ROWS = 12
_TABLE = re.compile(r"^\|.*\n\| :?-.*(?:\n\|.*)*", re.MULTILINE)
_BORDER = re.compile(r"(?<!\\)\|")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; all columns but the first `left` are aligned right, in the text itself too: not every
    editor draws tables.
    """
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    columns = [_column(cells, is_left=number < left) for number, cells in enumerate(zip(*lines, strict=True))]
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))


def _column(cells: Sequence[str], is_left: bool) -> list[str]:
    width = max(3, *map(len, cells))
    head, *rest = [cell.ljust(width) if is_left else cell.rjust(width) for cell in cells]
    return [head, f":{'-' * (width - 1)}" if is_left else f"{'-' * (width - 1)}:", *rest]


def without_tables(text: str) -> str:
    """The same with every table as a block of code, for clients whose Markdown has no tables."""
    return _TABLE.sub(lambda found: _block(found[0].split("\n")), text)


def _block(lines: Sequence[str]) -> str:
    cells = [[_plain(cell) for cell in _BORDER.split(line)[1:-1]] for line in lines]
    columns = [_column([head, *rest], rule[0] == ":") for head, rule, *rest in zip(*cells, strict=True)]
    header, _, *rows = ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]
    return "\n".join(["```text", header, *rows, "```"])


def _plain(cell: str) -> str:
    return cell.strip().replace("\\|", "|").replace("`", "")


def scheme_table(results: dict[str, SchemeResult], whole: int | None) -> str:
    """One row per scheme; `whole` is the size without any, in bytes."""
    rows = [_scheme_row(id, result, whole) for id, result in results.items()]
    return table(["scheme", "bytes", "weight error", "SQNR", "largest", "range", "overflow", "to 0"], rows)


def _scheme_row(id: str, result: SchemeResult, whole: int | None) -> list[str]:
    ratio = f" ({percent(result.bytes / whole)})" if whole else ""
    if not result.converted:
        return [f"`{id}`", size(result.bytes) + ratio, "left as it is", *[NO_VALUE] * 5]
    counts = [NO_VALUE if n is None else f"{n:,}" for n in (result.overflow, result.underflow)]
    error = NO_VALUE if result.relative_error is None else percent(result.relative_error)
    if result.interval:
        error = f"~{error} ({percent_range(*result.interval)})"
    largest = NO_VALUE if result.max_abs_error is None else three_digits(result.max_abs_error)
    span = _decibels(dynamic_range(id) if id in schemes.all_ids() else None)
    return [f"`{id}`", size(result.bytes) + ratio, error, _decibels(result.sqnr_db), largest, span, *counts]


def _decibels(value: float | None) -> str:
    return NO_VALUE if value is None else f"{three_digits(value)} dB"


def notes(results: dict[str, SchemeResult]) -> list[str]:
    """Why schemes leave something alone, or what is special."""
    return [f"`{id}`: {result.note}." for id, result in results.items() if result.note]


def tensor_table(layers: Sequence[Layer], device: str | None) -> str:
    """One row for each kind of tensor: the same name, shape and dtype in several layers is one row.

    `device` is where the model was measured; None where it was not.
    """
    groups: dict[tuple[str, ...], list[Tensor]] = {}
    for layer in layers:
        for tensor in layer.tensors:
            key = (tensor.name, str(tensor.shape), tensor.dtype, tensor.kind, str(tensor.requires_grad))
            groups.setdefault(key, []).append(tensor)
    rows = [_tensor_row(tensors, device) for tensors in list(groups.values())[:_MOST_ROWS]]
    if len(groups) > _MOST_ROWS:
        rows.append([f"… {len(groups) - _MOST_ROWS} more", *[""] * 6])
    return table(["tensor", "shape", "dtype", "bytes", "device", "trainable", "tied"], rows)


def _tensor_row(tensors: Sequence[Tensor], device: str | None) -> list[str]:
    first = tensors[0]
    times = f"×{len(tensors)} " if len(tensors) > 1 else ""
    shape = "×".join(map(str, first.shape)) or "scalar"
    trainable = "buffer" if first.kind == "buffer" else "yes" if first.requires_grad else "no"
    tied = sorted({tensor.tied_to for tensor in tensors if tensor.tied_to})
    total = sum(tensor.bytes for tensor in tensors)
    words = [times + f"`{first.name}`", shape, dtype(first.dtype), size(total), device or NO_VALUE, trainable]
    return [*words, f"to `{tied[0]}`" if tied else ""]


def origin(numbers: Numbers, stale: bool) -> str:
    """Where the numbers come from, and when."""
    model = numbers.model
    if not model.name:
        return "Read from the sizes on this line, in the default dtype, for one time that it runs."
    if numbers.origin == "static":
        root = numbers.root or model.name
        return f"Read from the source alone, in the default dtype, for {root}; nothing was run."
    source = {
        "checkpoint": f"the weights of {model.weights_from or 'its checkpoint'}",
        "initial": "freshly initialised weights",
        "shapes": "shapes alone, without values",
    }[model.weights]
    env = numbers.environment
    where = f" on {env.device_name or env.device}, torch {env.torch}" if env.torch else ""
    when = f" at {datetime.fromtimestamp(numbers.when):%Y-%m-%d %H:%M}" if numbers.when else ""
    words = [f"Measured{when} from {source}{where}, model `{model.name}`."]
    words += ["Layers are still arriving."] if not numbers.complete else []
    words += ["**The source has changed since**; measure again."] if stale else []
    return " ".join(words)


def titles(results: dict[str, SchemeResult]) -> str:
    """What the scheme ids mean."""
    known = [id for id in results if id in schemes.all_ids()]
    return "; ".join(f"`{id}` {schemes.get(id).title}" for id in known)

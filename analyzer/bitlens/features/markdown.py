"""Tables and sentences of hovers, as Markdown that also reads well where it is not rendered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bitlens import schemes
from bitlens.features.labels import dtype
from bitlens.measurement import Layer, SchemeResult, Tensor
from bitlens.numbers import Numbers
from bitlens.quantities import NO_VALUE, percent, size, three_digits

NOT_DAMAGE = "The error is that of the weights, not of the model's answers."
_MOST_ROWS = 12


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; all columns but the first `left` are aligned right."""
    rule = [":--" if column < left else "--:" for column in range(len(header))]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def scheme_table(results: dict[str, SchemeResult], whole: int | None) -> str:
    """One row per scheme; `whole` is the size without any, in bytes."""
    rows = [_scheme_row(id, result, whole) for id, result in results.items()]
    return table(["scheme", "bytes", "weight error", "SQNR", "largest", "overflow", "to 0"], rows)


def _scheme_row(id: str, result: SchemeResult, whole: int | None) -> list[str]:
    ratio = f" ({percent(result.bytes / whole)})" if whole else ""
    if not result.converted:
        return [f"`{id}`", size(result.bytes) + ratio, "left as it is", *[NO_VALUE] * 4]
    numbers = (result.sqnr_db, result.max_abs_error)
    decibels, largest = (NO_VALUE if number is None else three_digits(number) for number in numbers)
    counts = [NO_VALUE if n is None else f"{n:,}" for n in (result.overflow, result.underflow)]
    error = NO_VALUE if result.relative_error is None else percent(result.relative_error)
    return [f"`{id}`", size(result.bytes) + ratio, error, f"{decibels} dB", largest, *counts]


def notes(results: dict[str, SchemeResult]) -> list[str]:
    """Why schemes leave something alone, or what is special."""
    return [f"`{id}`: {result.note}." for id, result in results.items() if result.note]


def tensor_table(layers: Sequence[Layer]) -> str:
    """One row for each kind of tensor: the same name, shape and dtype in several layers is one row."""
    groups: dict[tuple[str, ...], list[Tensor]] = {}
    for layer in layers:
        for tensor in layer.tensors:
            key = (tensor.name, str(tensor.shape), tensor.dtype, tensor.kind, str(tensor.requires_grad))
            groups.setdefault(key, []).append(tensor)
    rows = [_tensor_row(tensors) for tensors in list(groups.values())[:_MOST_ROWS]]
    if len(groups) > _MOST_ROWS:
        rows.append([f"… {len(groups) - _MOST_ROWS} more", *[""] * 4])
    return table(["tensor", "shape", "dtype", "bytes", "remarks"], rows)


def _tensor_row(tensors: Sequence[Tensor]) -> list[str]:
    first = tensors[0]
    times = f"×{len(tensors)} " if len(tensors) > 1 else ""
    shape = "×".join(map(str, first.shape)) or "scalar"
    remarks = ["buffer"] if first.kind == "buffer" else [] if first.requires_grad else ["frozen"]
    tied = sorted({tensor.tied_to for tensor in tensors if tensor.tied_to})
    remarks += [f"tied to `{tied[0]}`"] if tied else []
    total = sum(tensor.bytes for tensor in tensors)
    return [times + f"`{first.name}`", shape, dtype(first.dtype), size(total), ", ".join(remarks)]


def origin(numbers: Numbers, stale: bool) -> str:
    """Where the numbers come from, and when."""
    model = numbers.model
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

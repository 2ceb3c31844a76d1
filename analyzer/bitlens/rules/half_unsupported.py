"""A float16 model whose operations have no float16.

## What it does
Finds a model that is cast to float16 (`.half()`, `.to(torch.float16)`, `dtype=torch.float16`) and whose
class, in the same file, calls functions of torch that do not take float16: those of `torch.linalg` on any
device, and on the CPU a few more, such as `torch.fft`, `torch.quantile`, `torch.cdist` and
`AvgPool3d`.

## Why is this bad?
The forward pass raises an error: `"linalg_svd_cpu" not implemented for 'Half'`, or `Unsupported dtype Half`.

## Example
```python
class Whitened(nn.Module):
    def forward(self, x):
        return torch.linalg.inv(self.covariance) @ x

model = Whitened().half()
```

## Use instead
```python
        return torch.linalg.inv(self.covariance.float()).to(x.dtype) @ x
```

## Fix
None: which part computes in float32 is yours to decide. A call that is given `.float()` or
`.to(torch.float32)` of its input is taken to be converted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from bitlens.analysis import Analysis
from bitlens.editing.acts import acts, cast_to, dtype_named
from bitlens.editing.code import Bound, Code, Region, argument
from bitlens.rules._rule import Found, Rule
from bitlens.source.slicing.scopes import Atom

EVERYWHERE = frozenset(
    [
        *(
            "torch.linalg.inv",
            "torch.linalg.svd",
            "torch.linalg.svdvals",
            "torch.linalg.eigh",
            "torch.linalg.eig",
        ),
        *("torch.linalg.eigvals", "torch.linalg.eigvalsh", "torch.linalg.qr", "torch.linalg.cholesky"),
        *(
            "torch.linalg.solve",
            "torch.linalg.lstsq",
            "torch.linalg.det",
            "torch.linalg.slogdet",
            "torch.linalg.pinv",
        ),
        *(
            "torch.linalg.matrix_rank",
            "torch.linalg.solve_triangular",
            "torch.inverse",
            "torch.svd",
            "torch.det",
        ),
        *("torch.logdet", "torch.pinverse", "torch.quantile", "torch.nanquantile"),
    ]
)
"""Functions of torch that take no float16 on a CPU or on CUDA."""
ON_CPU = frozenset(
    [
        *(
            "torch.fft.fft",
            "torch.fft.rfft",
            "torch.fft.fft2",
            "torch.fft.rfft2",
            "torch.fft.fftn",
            "torch.stft",
        ),
        *(
            "torch.cdist",
            "torch.nn.functional.pdist",
            "torch.nn.functional.rrelu",
            "torch.nn.AvgPool3d",
        ),
        *("torch.nn.functional.ctc_loss", "torch.nn.functional.multi_margin_loss"),
    ]
)
"""What takes no float16 on a CPU, but does on CUDA."""
_NAMES = "|".join(sorted({name.rpartition(".")[2] + "(" for name in EVERYWHERE | ON_CPU}))
_OTHER_DEVICE = re.compile(r"cuda|device_map|\bmps\b|\bxpu\b|\bnpu\b|accelerat", re.IGNORECASE)


def _find(_: Analysis, code: Code) -> Iterator[Found]:
    lacking = EVERYWHERE if _OTHER_DEVICE.search(code.text) else EVERYWHERE | ON_CPU
    calls = [Used(*use) for use in code.calls() if use[0].class_name and code.meaning(use[2].func) in lacking]
    for bound in code.bound if calls else ():
        used = [use for use in calls if use.region.class_name == bound.use.class_name]
        cast = _cast(code, bound) if used else None
        if cast is not None:
            yield from (_found(code, bound, cast, use) for use in used if not _converts(code, use.call))


class Used(NamedTuple):
    """A call in a method of a class."""

    region: Region
    atom: Atom
    call: ast.Call


def _cast(code: Code, bound: Bound) -> Atom | None:
    """The statement that makes the model float16: the one that builds it, or a later one."""
    inside = [node for node in ast.walk(bound.value) if isinstance(node, ast.Call)]
    asked = any(dtype_named(code, argument(call, "dtype")) == "float16" for call in inside)
    if asked or any(cast_to(code, call) == "float16" for call in inside):
        return bound.atom
    for act in acts(code, bound.region):
        if act.kind == "cast" and act.model == bound.variable and act.atom.index > bound.atom.index:
            return act.atom if act.detail == "float16" else None
    return None


def _found(code: Code, bound: Bound, cast: Atom, use: Used) -> Found:
    name = code.meaning(use.call.func)
    where = "on any device" if name in EVERYWHERE else "on a CPU"
    message = (
        f"{name} takes no float16 {where}, and `{bound.variable}` is float16 (line {cast.line}): the forward"
        " pass raises an error. Compute this in float32."
    )
    return Found(code.span(use.call, use.atom), message, f"{use.region.name}:{name}")


def _converts(code: Code, call: ast.Call) -> bool:
    inner = (node for value in call.args for node in ast.walk(value) if isinstance(node, ast.Call))
    return any(cast_to(code, node) in {"float32", "float64"} for node in inner)


RULE = Rule(
    "BL402",
    "half-unsupported",
    "error",
    ("half(|float16", _NAMES),
    _find,
)

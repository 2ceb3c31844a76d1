"""The error of a layer from a few of its rows, with a 95 % interval: a first answer for large models.

Rows are drawn without replacement by a generator seeded with the tensor's name. With e and n the squared
error and the squared norm of the N rows, of which k are drawn, R = Σe / Σn estimates the squared relative
error. The variance of Σ(e - R n) over all rows is N² (1 - k/N) s² / k, s² that of the drawn ones (Cochran,
Sampling Techniques, 1977, eq. 6.9), with Student's t. Rare rows with outliers are missed by a sample: by the
rule of three up to 3 / (k + 1) of the other rows may lie beyond the drawn ones, each is counted like the most
extreme of these, and a third of them downward. Small tensors are measured whole. Formats that need the whole
of a large tensor first (a scale per tensor, a search over it, blocks across many rows) get no estimate.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bitlens import backends, schemes
from bitlens.backends import LayerFacts
from bitlens.schemes.base import Scheme, Shape, row_length
from bitlens.worker.measure import Measurer
from bitlens.worker.passes import Streamer

ELEMENTS = 1 << 16
"""Of each tensor about so many are looked at; one of up to twice as many is measured whole."""
LEAST_ROWS = 16
_MOST_TOGETHER = 64
_NORMAL = 1.959963984540054


class Sample(NamedTuple):
    """What was seen of one tensor: drawn units are rows, or several rows that share blocks."""

    errors: Tensor
    """Squared error of each drawn unit, (k,) in float64."""
    norms: Tensor
    """Squared norm of each drawn unit."""
    units: int
    """Units that the tensor has."""


class Estimator:
    """Estimates layers of one model, and the whole model from what its layers gave."""

    def __init__(self, scheme_ids: Sequence[str]) -> None:
        """Raises UnknownScheme."""
        self._schemes = [schemes.get(id) for id in dict.fromkeys(scheme_ids)]
        self._sizes = Measurer([scheme.id for scheme in self._schemes])
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._unknown: set[str] = set()
        self._streamer = Streamer()

    def layer(self, facts: LayerFacts, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
        """As `Measurer.layer`: bytes are exact, errors are estimates with their `interval`."""
        results = self._sizes.layer(facts, None)
        parameters = [t for t in facts.tensors if t.kind == "parameter" and t.name in tensors]
        rows = _Rows(facts.path)
        for scheme in self._schemes:
            decision = backends.get(scheme.library).converts(facts, scheme)
            used = schemes.get(decision.instead) if decision.instead else scheme
            found: list[Sample | None] = []
            for tensor in parameters:
                axis = decision.converted.get(tensor.name)
                if axis is not None:
                    weight = tensors[tensor.name].detach().movedim(axis, 0)
                    found.append(self._sample(weight, used, tensor.name, rows))
            known = [one for one in found if one is not None]
            if len(known) < len(found) or (decision.converted and not found):
                self._unknown.add(scheme.id)
            elif known:
                results[scheme.id].update(_measures(known))
                self._samples[scheme.id] += known
        return results

    def _sample(self, weight: Tensor, scheme: Scheme, name: str, rows: _Rows) -> Sample | None:
        if scheme.needs_data:
            return None
        if weight.numel() > 2 * ELEMENTS:
            return sample(weight, scheme, name, rows)
        sums = self._streamer.measure(weight, [scheme])[scheme.id]
        lost = math.nan if sums.nonfinite or sums.lost else 0.0
        return Sample(_one(sums.squared_error + lost), _one(sums.squared_norm), 1)

    def totals(self) -> dict[str, dict[str, Any]]:
        """As `Measurer.totals`, errors estimated where every layer's was."""
        totals = self._sizes.totals()
        for id, samples in self._samples.items():
            if id not in self._unknown:
                totals[id].update(_measures(samples))
        return totals


class _Rows:
    """Rows drawn from the tensors of one layer, read once for all formats."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._drawn: dict[tuple[str, tuple[int, ...], int], tuple[Tensor, Tensor, int]] = {}

    def of(self, weight: Tensor, name: str, together: int) -> tuple[Tensor, Tensor, int]:
        """Values of the drawn units (k * together, ...), their squared norms (k,), and how many units."""
        key = (name, tuple(weight.shape), together)
        if key not in self._drawn:
            units = weight.shape[0] // together
            wanted = max(LEAST_ROWS, -(-ELEMENTS // (together * row_length(weight.shape))))
            values = _draw(weight, f"{self._path}.{name}", units, min(wanted, units), together)
            norms = _by_unit(values.float() if values.element_size() < 4 else values, len(values) // together)
            self._drawn[key] = values, norms, units
        return self._drawn[key]


def sample(weight: Tensor, scheme: Scheme, name: str, rows: _Rows) -> Sample | None:
    """What a scheme does to drawn rows of a weight (out, ...); None where rows alone do not tell."""
    dtype = str(weight.dtype).rpartition(".")[2]
    together = _rows_together(scheme, weight, dtype)
    if together is None:
        return None
    values, norms, units = rows.of(weight, name, together)
    result = scheme.round_trip(_Chunk(values, scheme, dtype)).reshape(values.shape)
    wide = torch.promote_types(torch.float32, values.dtype)
    return Sample(_by_unit(result.to(wide) - values, len(norms)), norms, units)


def _draw(weight: Tensor, name: str, units: int, wanted: int, together: int) -> Tensor:
    """`wanted` units of consecutive rows, all of them where that is half of them."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode(errors="replace")))
    some = units > 2 * wanted
    drawn = torch.randperm(units, generator=generator)[:wanted] if some else torch.arange(units)
    first = drawn.sort().values.unsqueeze(1) * together
    return weight.index_select(0, (first + torch.arange(together)).view(-1).to(weight.device))


def _by_unit(values: Tensor, units: int) -> Tensor:
    flat = values.reshape(units, -1)
    norms: Tensor = torch.linalg.vector_norm(flat, dim=1)
    return norms.double().square_().cpu()


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def _rows_together(scheme: Scheme, weight: Tensor, dtype: str) -> int | None:
    """How many rows share blocks; None where it is too many, or the whole tensor matters."""
    shape = tuple(weight.shape)
    length = row_length(shape)
    if scheme.needs_whole or len(shape) < 2 or shape[0] < 2 or scheme.arrange(weight) is not weight:
        return None
    block = max(1, scheme.block(shape, dtype))
    together = math.lcm(block, length) // length
    return together if together <= min(_MOST_TOGETHER, shape[0] // 2) and shape[0] % together == 0 else None


class _Chunk:
    """Drawn rows as a scheme sees them (`schemes.base.Chunk`): always whole blocks."""

    def __init__(self, values: Tensor, scheme: Scheme, dtype: str) -> None:
        self.torch: Any = torch
        self.shape: Shape = tuple(values.shape)
        self.dtype, self.start = dtype, 0
        self.state = scheme.prepare(torch, values.reshape(-1), self.shape)
        wide = values if values.dtype == torch.float64 else values.float()
        chosen = {"weight": values, "wide": wide, "float32": values.float()}[scheme.arithmetic]
        self.weight = chosen.reshape(-1, max(1, scheme.block(self.shape, dtype)))

    def low(self) -> Tensor:
        return self.weight.amin(1, keepdim=True)

    def high(self) -> Tensor:
        return self.weight.amax(1, keepdim=True)

    def absmax(self) -> Tensor:
        return torch.maximum(-self.low(), self.high())

    def finite(self) -> bool:
        return bool(self.weight.isfinite().all())

    def buffer(self, dtype: Any = None, use: str = "scheme") -> Tensor:
        return torch.empty_like(self.weight, dtype=dtype)


def _measures(samples: Sequence[Sample]) -> dict[str, Any]:
    """Relative error, decibels and interval of some tensors together; None where a value is not finite."""
    error = sum(float(one.errors.mean()) * one.units for one in samples)
    norm = sum(float(one.norms.mean()) * one.units for one in samples)
    if not (math.isfinite(error) and math.isfinite(norm)):
        return {"relative_error": None, "sqnr_db": None, "interval": None}
    ratio = error / norm if norm else 0.0
    reach, missed = _reach(samples, ratio)
    reach, missed = (reach / norm, missed / norm) if norm else (0.0, 0.0)
    relative = math.sqrt(ratio)
    return {
        "relative_error": relative,
        "sqnr_db": -20 * math.log10(relative) if relative else None,
        "interval": tuple(
            math.sqrt(max(bound, 0.0)) for bound in (ratio - reach - missed, ratio + reach + 3 * missed)
        ),
    }


def _reach(samples: Sequence[Sample], ratio: float) -> tuple[float, float]:
    """Of the total of e - R n over all units: half its interval, and what units unlike the drawn may add."""
    variance, missed, freedom = 0.0, 0.0, 10**6
    for one in samples:
        drawn = len(one.errors)
        if drawn < one.units:
            rest = one.errors - ratio * one.norms
            rest -= rest.mean()
            left = one.units - drawn
            variance += one.units * left * float(rest.square().sum()) / (drawn - 1) / drawn
            missed += left / (drawn + 1) * float(rest.max())
            freedom = min(freedom, drawn - 1)
    return _student(freedom) * math.sqrt(variance), missed


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5; 1 % low at 4 degrees of freedom)."""
    z, n = _NORMAL, freedom
    terms = (
        z,
        (z**3 + z) / 4 / n,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / n**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / n**3,
    )
    return math.fsum(terms)

"""The error of a layer from a few of its rows, with a 95 % interval: a first answer for large models.

`sampling` says which rows. With e and n the squared error and the squared norm of the N rows, of which k
are drawn beside those that are looked at in any case, R = Σe / Σn estimates the squared relative error. The
variance of Σ(e - R n) over the N rows is N² (1 - k/N) s² / k, s² that of the drawn ones (Cochran, Sampling
Techniques, 1977, eq. 6.9), with Student's t. Rows with outliers are missed by a sample: a share 1 / (k + 1)
of all rows is expected to lie beyond those drawn, and several times that share is allowed for. Each is
counted like the most extreme of the drawn ones times what a Pareto tail like theirs expects beyond it
(Hill, Annals of Statistics 3, 1975); the exponent of the tail is the larger of that of the rows and of that
of the single weights, of which there are many, in squares. Of several tensors together 1 / (k + 1) may also
be as extreme, for their norm, as the most extreme of any tensor: one layer with outliers outweighs many
others.

So the interval is that of a weight whose rows continue what was looked at. A single row that holds most of
a layer's error, unlike all others, and that no vector of the model tells of (`apart`), is not in it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor

from bitlens import schemes
from bitlens.backends import LayerFacts
from bitlens.worker.apart import Apart
from bitlens.worker.chunks import BlockChunk, Read, Weight, Workspace, squared_error
from bitlens.worker.measure import Measurer
from bitlens.worker.passes import Streamer
from bitlens.worker.remembered import Origin
from bitlens.worker.rows import Blocks, Rows, destroyed
from bitlens.worker.sampling import Part, Plan, plan

_NORMAL = 1.959963984540054
_LEAST_TAIL = 4
"""Greatest errors by which the tail is judged; the square root of their number where that is more."""
_MISSED_ABOVE, _MISSED_BELOW = 10, 12
"""Times 1 / (k + 1): the share of rows that may lie beyond the drawn ones, adding to error or to norm."""
_HEAVIEST_TAIL = 0.9
"""A heavier tail (as an exponent) would say that nothing is known at all."""
_UNLUCKY = 3
"""The greatest of the drawn rows ranks like one so many times as frequent in 5 of 100 draws: e^-3 = 5 %."""
_BLOCK = 64
"""Weights whose greatest stands for a tail of single ones; a row where it does not divide rows well."""

Samples = dict["tuple[Origin, int, str]", "Sample"]
"""By place in a file of weights, axis and scheme id."""
ReadRows = Callable[[str, Sequence[int]], Tensor]
"""Gives some indices of a tensor's first dimension."""


class Sample(NamedTuple):
    """What was seen of one tensor under one scheme: drawn units are rows, or several rows sharing blocks."""

    errors: Tensor
    """Squared error of each drawn unit, (k,) in float64."""
    norms: Tensor
    """Squared norm of each drawn unit."""
    units: int
    """Units that the tensor has, without those that were looked at in any case."""
    error: float
    """Estimated sum of all errors."""
    norm: float
    """Estimated sum of all norms."""
    beyond: float = 1.0
    """How many times the greatest error a greater one that was not drawn is expected to be."""
    beyond_norm: float = 1.0
    """The same of the norm."""
    note: str | None = None
    """What is destroyed though the error does not show it."""


class Estimator:
    """Estimates layers of one model, and the whole model from what its layers gave."""

    def __init__(
        self,
        scheme_ids: Sequence[str],
        seed: int = 0,
        samples: Samples | None = None,
        apart: Apart = MappingProxyType({}),
    ) -> None:
        """Another `seed` draws other rows; `samples` are known already. Raises UnknownScheme."""
        self._known: Samples = {} if samples is None else samples
        self._schemes = [schemes.get(id) for id in dict.fromkeys(scheme_ids)]
        self._seed, self._apart = seed, apart
        self._sizes = Measurer([scheme.id for scheme in self._schemes])
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._unknown: set[str] = set()
        self._streamer = Streamer()
        self._workspace = Workspace()

    def plan(self, facts: LayerFacts, stored: Sequence[str] | frozenset[str]) -> Plan:
        """What `layer` will look at, where these tensors have values."""
        return plan(facts, stored, self._schemes, self._seed, self._apart)

    def layer(
        self,
        facts: LayerFacts,
        tensors: Mapping[str, Tensor],
        rows: ReadRows | None = None,
        planned: Plan | None = None,
        origins: Mapping[str, Origin] = MappingProxyType({}),
    ) -> dict[str, dict[str, Any]]:
        """As `Measurer.layer`: bytes are exact, errors are estimates with their `interval`.

        `rows` reads rows of a tensor where it can be done without the others, else `tensors` are read, and
        neither of a tensor of `origins` that was looked at already.
        """
        planned = planned or self.plan(facts, frozenset(tensors))
        results = self._sizes.layer(facts, None)
        found: dict[str, list[Sample]] = defaultdict(list)
        for part in planned.parts:
            for id, sample in self._look_once(part, tensors, rows, origins.get(part.tensor)).items():
                found[id].append(sample)
        for id, samples in found.items():
            if id not in planned.unknown:
                notes = [results[id]["note"], *(one.note for one in samples)]
                note = "; ".join(filter(None, notes)) or None
                results[id].update(_measures(samples), note=note)
                self._samples[id] += samples
        self._unknown.update(planned.unknown)
        return results

    def totals(self) -> dict[str, dict[str, Any]]:
        """As `Measurer.totals`, errors estimated where every layer's was."""
        totals = self._sizes.totals()
        for id, samples in self._samples.items():
            if id not in self._unknown:
                totals[id].update(_measures(samples))
        return totals

    def new(self, part: Part, origin: Origin | None) -> Part | None:
        """The part for the schemes of which nothing is known; None where all are."""
        new = {
            id: scheme
            for id, scheme in part.schemes.items()
            if origin is None or (origin, part.axis, scheme.id) not in self._known
        }
        return part._replace(schemes=new) if new else None

    def _look_once(
        self, part: Part, tensors: Mapping[str, Tensor], rows: ReadRows | None, origin: Origin | None
    ) -> dict[str, Sample]:
        new = self.new(part, origin)
        found = self._look(new, tensors, rows) if new else {}
        if origin is None:
            return found
        for id, sample in found.items():
            self._known[origin, part.axis, part.schemes[id].id] = sample
        return {id: self._known[origin, part.axis, scheme.id] for id, scheme in part.schemes.items()}

    def _look(self, part: Part, tensors: Mapping[str, Tensor], rows: ReadRows | None) -> dict[str, Sample]:
        """Read what is asked for, once for all formats."""
        if part.rows is None:
            weight = tensors[part.tensor].detach()
            return self._whole(weight.movedim(part.axis, 0) if part.axis else weight, part)
        if rows is not None and not part.axis:
            return self.drawn(rows(part.tensor, part.rows), part)
        weight = tensors[part.tensor].detach().movedim(part.axis, 0)
        return self.drawn(weight.index_select(0, torch.tensor(part.rows, device=weight.device)), part)

    def _whole(self, weight: Tensor, part: Part) -> dict[str, Sample]:
        sums = self._streamer.measure(weight, part.used)
        doubtful = [scheme for scheme in part.used if sums[scheme.id].destroyed().material()]
        sums.update(self._streamer.measure(weight, doubtful, precise=True))
        found = {}
        for id, scheme in part.schemes.items():
            one = sums[scheme.id]
            error = math.nan if one.nonfinite or one.lost else one.squared_error
            norm, note = one.squared_norm, one.destroyed().note()
            found[id] = Sample(_one(error), _one(norm), 1, error, norm, note=note)
        return found

    @torch.inference_mode()
    def drawn(self, values: Tensor, part: Part) -> dict[str, Sample]:
        """What schemes do to the drawn rows (k * together, ...) of a tensor."""
        units = len(values) // part.together
        dtype = str(values.dtype).rpartition(".")[2]
        used = part.used
        weight = Weight(values, part.shape, dtype, used)
        read = Read(self._workspace, weight.flat, 0, weight.flat.numel())
        used.sort(key=lambda scheme: weight.blocks[scheme.id])
        squares = read.squares(read.wide)
        by_unit, notes = [squares.view(units, -1).sum(1)], {}
        row, blocks = values.numel() // max(1, len(values)), Blocks(read)
        rows = Rows(read, row, squares)
        for scheme in used:
            chunk = BlockChunk(read, scheme, weight, None)
            result = scheme.round_trip(chunk).view(-1)
            if result.dtype != read.wide.dtype:
                result = self._workspace.buffer("result", read.wide).copy_(result)
            squares = squared_error(result, read.wide)
            by_unit.append(squares.view(units, -1).sum(1))
            notes[scheme.id] = destroyed(squares, chunk, rows, blocks).note(len(values))
        block = _BLOCK if row % _BLOCK == 0 else row
        peaks = read.extremes(block).absmax().view(units, -1).cpu()
        seen = _samples(torch.stack(by_unit).double().cpu(), peaks, part)
        samples = {scheme.id: one._replace(note=notes[scheme.id]) for scheme, one in zip(used, seen)}
        return {id: samples[scheme.id] for id, scheme in part.schemes.items()}


def _samples(squares: Tensor, peaks: Tensor, part: Part) -> list[Sample]:
    """Of the squared norms and then each scheme's squared errors, (1 + schemes, k) in float64, and greatest
    magnitudes of blocks of each unit, (k, blocks).
    """
    by_chance = torch.ones(squares.shape[1], dtype=torch.bool)
    by_chance[list(part.chosen)] = False
    drawn, units = squares[:, by_chance], part.units - len(part.chosen)
    norm, *errors = (squares[:, ~by_chance].sum(1) + drawn.mean(1) * units).tolist()
    exponents = torch.maximum(_tails(drawn), 2 * _tails(peaks[by_chance].view(1, -1)).double())
    exponents.clamp_(0, _HEAVIEST_TAIL)
    of_norm, *beyond = (_UNLUCKY**exponents / (1 - exponents)).tolist()
    return [
        Sample(row, drawn[0], units, error, norm, more, of_norm)
        for row, error, more in zip(drawn[1:], errors, beyond)
    ]


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def _measures(samples: Sequence[Sample]) -> dict[str, Any]:
    """Relative error, decibels and interval of some tensors together; None where a value is not finite."""
    error = math.fsum(one.error for one in samples) if _finite(samples) else math.nan
    norm = math.fsum(one.norm for one in samples) if _finite(samples) else math.nan
    if not (math.isfinite(error) and math.isfinite(norm)):
        return {"relative_error": None, "sqnr_db": None, "interval": None}
    ratio = error / norm if norm else 0.0
    reach, missed, more = (bound / norm if norm else 0.0 for bound in _reach(samples, ratio))
    relative = math.sqrt(ratio)
    low = max(ratio - reach, 0.0) / (1 + missed / ratio) if ratio else 0.0
    return {
        "relative_error": relative,
        "sqnr_db": -20 * math.log10(relative) if relative else None,
        "interval": (math.sqrt(low), math.sqrt(ratio + reach + more)),
    }


def _finite(samples: Sequence[Sample]) -> bool:
    return all(math.isfinite(one.error) and math.isfinite(one.norm) for one in samples)


@torch.inference_mode()
def _reach(samples: Sequence[Sample], ratio: float) -> tuple[float, float, float]:
    """Of the total of e - R n over all units: half its interval, what units unlike the drawn take and add."""
    variance, freedom = 0.0, 10**6
    above, below = [0.0], [0.0]
    worst, elsewhere = 0.0, 0.0
    for one in samples:
        drawn = len(one.errors)
        if drawn < one.units:
            rest = torch.sub(one.errors, one.norms, alpha=ratio)
            rest -= rest.mean()
            left = one.units - drawn
            variance += one.units * left * torch.dot(rest, rest).item() / (drawn - 1) / drawn
            most, least = rest.max().item(), rest.min().item()
            greatest = most * max(one.beyond, one.beyond_norm)
            above.append(left / (drawn + 1) * greatest)
            below.append(left / (drawn + 1) * max(most, -least) * one.beyond_norm)
            worst = max(worst, greatest * one.units / one.norm if one.norm else 0.0)
            elsewhere += left / (drawn + 1) * one.norm / one.units
            freedom = min(freedom, drawn - 1)
    reach = _student(freedom) * math.sqrt(variance)
    more = max(_together(above, _MISSED_ABOVE), worst * elsewhere)
    return reach, _together(below, _MISSED_BELOW), more


def _together(parts: Sequence[float], times: float) -> float:
    """What each tensor is expected to add, of one alone `times` that: between many chance evens out."""
    return math.fsum(parts) + (times - 1) * math.hypot(*parts)


def _tails(values: Tensor) -> Tensor:
    """The exponent of the tail of each row of values, by the Hill estimator; 0 where it cannot be told."""
    count = max(_LEAST_TAIL, math.isqrt(values.shape[1]))
    tail = values.topk(min(count + 1, values.shape[1])).values
    return torch.log(tail[:, :-1] / tail[:, -1:]).mean(1).nan_to_num(0.0, 0.0, 0.0)


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

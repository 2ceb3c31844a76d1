"""Layers and whole models under many schemes: bytes really stored and the error of the weights.

The error is that of the weights, not the damage to the model's answers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from bitlens import backends, schemes
from bitlens.backends import Decision, LayerFacts, TensorFacts
from bitlens.schemes.base import ITEM_BYTES, Scheme, numel
from bitlens.worker.kernels.fused import FusedKernels
from bitlens.worker.passes import CHUNK_ELEMENTS, WHOLE, Share, Streamer, Sums
from bitlens.worker.remembered import Key

_SQUARES_SAFELY = (1e-16, 1e16)
"""Magnitudes whose squares neither vanish nor overflow in float32, summed over a chunk."""


class Known(Protocol):
    """Sums of earlier measurements; a dict, or a layer's part of a memory on disk."""

    def get(self, key: Key, /) -> Sums | None:
        """None where nothing is known."""

    def __getitem__(self, key: Key, /) -> Sums: ...

    def __setitem__(self, key: Key, sums: Sums, /) -> None: ...


Asked = Mapping["tuple[str, int]", Sequence[Scheme]]
"""What is to be measured, by name of a tensor and axis of its output channels."""
Parts = dict[Key, "list[Sums]"]
"""The sums of a tensor's chunks, or of some of them."""


class Stored(NamedTuple):
    """What a layer or model stores after conversion, ties counted at their first owner."""

    parameters: int
    buffers: int


class Measurer:
    """Measures the layers of one model, in the order in which they own their tensors."""

    def __init__(self, scheme_ids: Sequence[str], *, chunk_elements: int = CHUNK_ELEMENTS) -> None:
        """Raises UnknownScheme."""
        self._schemes = [schemes.get(id) for id in dict.fromkeys(scheme_ids)]
        self._streamer = Streamer(chunk_elements)
        self._fused = FusedKernels()
        self._models = {scheme.id: _Account(scheme) for scheme in self._schemes}

    def layer(
        self,
        facts: LayerFacts,
        tensors: Mapping[str, Tensor] | None,
        known: Known | None = None,
        shares: Sequence[Parts] = (),
    ) -> dict[str, dict[str, Any]]:
        """Scheme id to SchemeResult's keys and `buffer_bytes`; without `tensors` bytes alone, from shapes.

        `known` has earlier sums by tensor name, axis and scheme id, and gets the new ones. `shares` are those
        of what is `asked`, measured already; without them it is measured here.
        """
        decisions = self._decisions(facts)
        known = {} if known is None else known
        for key, sums in self._new(facts, tensors or {}, known, shares).items():
            known[key] = sums
        results = {}
        for scheme in self._schemes:
            keys = _keys(scheme, decisions[scheme.id], tensors or ())
            found = {key[0]: sums for key in keys for sums in [known.get(key)] if sums is not None}
            results[scheme.id] = self._result(scheme, facts, decisions[scheme.id], found)
        return results

    def asked(self, facts: LayerFacts, stored: Container[str], known: Known) -> Asked:
        """What must be measured of a layer of whose tensors these are `stored`, for all schemes at once."""
        asked: dict[tuple[str, int], dict[str, Scheme]] = defaultdict(dict)
        decisions = self._decisions(facts)
        for scheme in self._schemes:
            for name, axis, id in _keys(scheme, decisions[scheme.id], stored):
                if known.get((name, axis, id)) is None:
                    asked[name, axis][id] = schemes.get(id)
        return {place: tuple(chosen.values()) for place, chosen in asked.items()}

    def parts(
        self, asked: Asked, tensors: Mapping[str, Tensor], share: Share = WHOLE, precise: bool = False
    ) -> Parts:
        """A share of each tensor measured; `precise`: in float64.

        What a GPU's kernels have no number for (no formula, NaN, infinity) is measured chunk by chunk.
        """
        found: Parts = {}
        for (name, axis), chosen in asked.items():
            weight = tensors[name].movedim(axis, 0) if axis else tensors[name]
            fused = {} if precise else self._fused.measure(weight, chosen)
            left = [scheme for scheme in chosen if scheme.id not in fused]
            parts = self._streamer.parts(weight, left, precise, share)
            found.update({(name, axis, id): [sums] for id, sums in fused.items()})
            found.update({(name, axis, scheme.id): parts.get(scheme.id, []) for scheme in left})
        return found

    @property
    def notes(self) -> Sequence[str]:
        """What should be said of how it was measured."""
        return self._fused.notes

    def totals(self) -> dict[str, dict[str, Any]]:
        """The layers measured so far as one model per scheme, converted by its library's default filter."""
        return {id: account.result() for id, account in self._models.items()}

    def _decisions(self, facts: LayerFacts) -> dict[str, Decision]:
        return {scheme.id: backends.get(scheme.library).converts(facts, scheme) for scheme in self._schemes}

    def _new(
        self, facts: LayerFacts, tensors: Mapping[str, Tensor], known: Known, shares: Sequence[Parts]
    ) -> dict[Key, Sums]:
        """Float32 sums, and float64 ones where squares could leave float32's range or blocks may be lost."""
        asked = self.asked(facts, tensors, known)
        sums = _totals(shares or [self.parts(asked, tensors)])
        extreme = {
            (name, axis): [scheme for scheme in chosen if not _is_tame(sums[name, axis, scheme.id])]
            for (name, axis), chosen in asked.items()
        }
        extreme = {place: chosen for place, chosen in extreme.items() if chosen}
        return {**sums, **_totals([self.parts(extreme, tensors, precise=True)])}

    def _result(
        self, scheme: Scheme, facts: LayerFacts, decision: Decision, sums: Mapping[str, Sums]
    ) -> dict[str, Any]:
        stored = self._models[scheme.id].add(facts, decision, sums)
        parameters = {t.name for t in facts.tensors if t.kind == "parameter"}
        weights = [part for name, part in sums.items() if name in parameters]
        notes = [text for text in (decision.reason or decision.note or scheme.caveat,) if text]
        for name, part in sums.items():
            notes += _notes(scheme, part, None if name in parameters else name)
        return {
            "bytes": stored.parameters,
            "buffer_bytes": stored.buffers,
            **_error(weights),
            **(_counts(weights) if scheme.least is not None else {}),
            "converted": decision.reason is None,
            "instead": decision.instead,
            "note": "; ".join(notes) or None,
        }


class _Account:
    """What one scheme makes of the model: each storage once, and the sums of each converted weight once."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._stored: dict[tuple[str, bool], tuple[str, int]] = {}
        self._sums: dict[str, Sums] = {}
        self._added = 0
        self._measured = True

    def add(self, facts: LayerFacts, decision: Decision, sums: Mapping[str, Sums]) -> Stored:
        """What a layer adds to the model; nothing for a storage that is counted already."""
        parameters = {t.name for t in facts.tensors if t.kind == "parameter"}
        self._measured &= parameters & set(decision.converted) <= set(sums)
        self._added += decision.added_buffers
        new = {"parameter": 0, "buffer": decision.added_buffers}
        for tensor in facts.tensors:
            converted = tensor.name in decision.converted
            own = _full_name(facts, tensor)
            shared = tensor.tied_to or own
            key = (own if converted and not decision.keeps_ties else shared, converted)
            if key in self._stored:
                continue
            size = _size(_used(self._scheme, decision), tensor, decision)
            self._stored[key] = (tensor.kind, size)
            new[tensor.kind] += size
            if tensor.kind == "parameter" and tensor.name in sums:
                self._sums[key[0]] = sums[tensor.name]
        return Stored(new["parameter"], new["buffer"])

    def result(self) -> dict[str, Any]:
        """The keys of SchemeResult for the whole model, and `buffer_bytes`."""
        kinds = {"parameter": 0, "buffer": self._added}
        for kind, size in self._stored.values():
            kinds[kind] += size
        weights = list(self._sums.values()) if self._measured else []
        broken = sum(not _is_finite(part) for part in weights)
        note = f"{broken} weights have" if broken > 1 else "1 weight has"
        return {
            "bytes": kinds["parameter"],
            "buffer_bytes": kinds["buffer"],
            **_error(weights),
            **(_counts(weights) if self._scheme.least is not None else {}),
            "converted": any(converted for _, converted in self._stored),
            "note": f"{note} no finite error" if broken else self._scheme.caveat,
        }


def _keys(scheme: Scheme, decision: Decision, stored: Container[str]) -> list[Key]:
    """Where the sums of a scheme stand in what is known of a layer."""
    used = _used(scheme, decision).id
    converted = {} if scheme.needs_data else decision.converted
    return [(name, axis, used) for name, axis in converted.items() if name in stored]


def _totals(shares: Sequence[Parts]) -> dict[Key, Sums]:
    keys = dict.fromkeys(key for share in shares for key in share)
    return {key: Sums.total([sums for share in shares for sums in share.get(key, ())]) for key in keys}


def _used(scheme: Scheme, decision: Decision) -> Scheme:
    """The scheme that the library really takes for a layer."""
    return schemes.get(decision.instead) if decision.instead else scheme


def _full_name(facts: LayerFacts, tensor: TensorFacts) -> str:
    return f"{facts.path}.{tensor.name}" if facts.path else tensor.name


def _size(scheme: Scheme, tensor: TensorFacts, decision: Decision) -> int:
    axis = decision.converted.get(tensor.name)
    if axis is None:
        cast = decision.casts.get(tensor.name)
        return numel(tensor.shape) * ITEM_BYTES[cast] if cast else tensor.bytes
    shape = (tensor.shape[axis], *tensor.shape[:axis], *tensor.shape[axis + 1 :]) if axis else tensor.shape
    return scheme.stored_bytes(shape, tensor.dtype)


def _is_tame(sums: Sums) -> bool:
    least, greatest = _SQUARES_SAFELY
    if sums.lost_blocks and sums.destroyed().material():
        return False
    return all(not value or least < value < greatest for value in (sums.absmax, sums.max_abs_error))


def _is_finite(sums: Sums) -> bool:
    return math.isfinite(sums.absmax) and math.isfinite(sums.max_abs_error)


def _error(weights: Sequence[Sums]) -> dict[str, Any]:
    """The three measures of error; None where nothing was measured or a value is not finite."""
    unknown = {"relative_error": None, "sqnr_db": None, "max_abs_error": None}
    if not weights or not all(map(_is_finite, weights)):
        return unknown
    total = Sums.total(weights)
    relative = math.sqrt(total.squared_error / total.squared_norm) if total.squared_norm else 0.0
    decibels = -20 * math.log10(relative) if relative else None
    return {"relative_error": relative, "sqnr_db": decibels, "max_abs_error": total.max_abs_error}


def _counts(weights: Sequence[Sums]) -> dict[str, int | None]:
    if not weights:
        return {"overflow": None, "underflow": None}
    return {
        "overflow": sum(part.lost for part in weights),
        "underflow": sum(part.vanished for part in weights),
    }


def _notes(scheme: Scheme, sums: Sums, buffer: str | None) -> list[str]:
    """What is special about a converted tensor; `buffer` is its name where it is no parameter."""
    prefix = f"{buffer}: " if buffer else ""
    if sums.nonfinite:
        return [f"{prefix}{sums.nonfinite} values are not finite before conversion"]
    if sums.lost:
        return [f"{prefix}{sums.lost} finite values become inf or NaN"]
    greatest = getattr(scheme, "greatest", None)
    if greatest is not None and sums.absmax > greatest:
        return [f"{prefix}weights beyond {greatest:g} are cut to it"]
    if sums.squared_error > 0.25 * sums.squared_norm:
        return [f"{prefix}most of the weight is lost"]
    destroyed = sums.destroyed().note()
    return [f"{prefix}{destroyed}"] if destroyed else []

"""One model's events, layer by layer, and the sums that they must agree with."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import Any, Callable, NamedTuple

import torch

from bitlens.backends.facts import LayerFacts, TensorFacts
from bitlens.schemes.base import Scheme
from bitlens.worker import lanes
from bitlens.worker.apart import LONGEST, MOST, Apart, standing_apart
from bitlens.worker.checkpoints.base import scattered_reads
from bitlens.worker.estimate import Estimator, ReadRows, Samples
from bitlens.worker.failure import Failure
from bitlens.worker.histogram import histogram
from bitlens.worker.kernels.transfer import transferred
from bitlens.worker.measure import Asked, Measurer, Parts
from bitlens.worker.passes import WHOLE, Share
from bitlens.worker.remembered import Memory, Origin
from bitlens.worker.sampling import Plan
from bitlens.worker.wire import Event, Job

ESTIMATED_FROM = 1 << 30
"""Bytes of a model from which on estimates come first: below, the exact answer takes a few seconds."""
MAX_LAYERS = 200_000
"""More layers than any real model; a program that makes more is stopped with a clear message."""

EXPECTED_LAYERS = 64
"""Layers of which the disk reads the sampled rows ahead of their turn."""

WORTH_A_FORK = 1 << 23
"""Elements to measure below which another process costs more than it helps."""

UNDIVIDED = 1 << 24
"""Elements of a tensor up to which one process measures it alone."""

_WORKSPACE = 1 << 28
"""Bytes that measuring takes, whatever the tensor."""


class LayerSource(NamedTuple):
    """A layer to be measured: what is known without its values, and a way to its values."""

    path: str
    type: str
    bases: tuple[str, ...]
    tensors: tuple[TensorFacts, ...]
    read: Callable[[str], torch.Tensor]
    """Gives the values of one tensor named in `stored`, on the measuring device."""
    stored: frozenset[str]
    """Names of the tensors that have values; of the others only the shape is known."""
    before: LayerFacts | None = None
    """The float layer that the program quantized, where its values are what `read` gives."""
    file: str | None = None
    line: int | None = None
    note: str | None = None
    kept: str | None = None
    """Why transformers' quantizers keep it in float; None where they do not."""
    leaf: bool = True
    """Whether the module has no modules below it."""
    origins: Mapping[str, Origin] = {}
    """Of tensors that a file of weights holds as they are: which one, and under which name."""
    rows: ReadRows | None = None
    """Reads rows of a tensor named in `stored` without the others; None where there is no such way."""
    expect: Callable[[str, Sequence[int] | None], None] | None = None
    """Says which rows, or None for all, `rows` and `read` will be asked for soon."""


class _Look(NamedTuple):
    """What was seen of a share of a layer."""

    parts: Parts
    histogram: dict[str, Any] | None


Looked = Generator["tuple[LayerSource, list[_Look]]", None, None]


class Stream:
    """Sends one model: `begin`, then every layer, then `end`."""

    def __init__(self, job: Job, send: Callable[[Event], None]) -> None:
        self._job = job
        self._send = send
        self._memory = Memory(job.cache, job.device)
        self._measurer = Measurer(job.schemes)
        self._samples: Samples = {}
        self._apart: Apart | None = None

    def begin(self, **facts: Any) -> None:
        """Announce the model: class, weights, weights_from, layers (their number), notes."""
        self._send(
            {
                "event": "model",
                "name": self._job.name,
                "file": self._job.file,
                "line": self._job.line,
                **facts,
            }
        )

    def layers(
        self, sources: Sequence[LayerSource], device: str, done: Callable[[], None] = lambda: None
    ) -> None:
        """Send every layer in the order of `first`; `done` is called after each look at the values of one."""
        sources = self.first(sources, done)
        looked = self._shared(sources, done) if device == "cpu" else self._transferred(sources, device)
        with closing(looked):
            for source, looks in looked:
                self._layer(source, looks)
                done()

    def _layer(self, source: LayerSource, looks: Sequence[_Look]) -> None:
        known, parts = self._memory.layer(source.origins), [look.parts for look in looks]
        schemes = self._measurer.layer(_facts(source), _Values(source), known, parts)
        spread = {"histogram": looks[0].histogram} if self._job.histograms else {}
        self._send({**_described(source), "event": "layer", "schemes": schemes, **spread})

    def _transferred(self, sources: Sequence[LayerSource], device: str) -> Looked:
        for source in transferred(sources, device):
            yield source, [self._look(source, self._asked(source), WHOLE)]

    def _shared(self, sources: Sequence[LayerSource], done: Callable[[], None]) -> Looked:
        """Looked at by several processes, where the work is worth it."""
        asked = list(self._asked_once(sources))
        sizes = [[_elements(look) for look in _shapes(source, of)] for source, of in zip(sources, asked)]
        largest = max(map(max, filter(None, sizes)), default=0)
        worth = sum(map(sum, sizes)) >= WORTH_A_FORK
        count = lanes.usable(_WORKSPACE + 4 * largest) if worth else 1
        pieces = [
            (at, piece)
            for at, (of, own) in enumerate(zip(asked, sizes))
            for piece in _divided(of, count if max(own, default=0) > UNDIVIDED else 1)
        ]

        def look(number: int) -> _Look:
            at, piece = pieces[number]
            try:
                return self._look(sources[at], *piece)
            finally:
                done()

        with closing(lanes.shared(look, len(pieces), count)) as looks:
            for at, together in groupby(pieces, key=itemgetter(0)):
                yield sources[at], [next(looks) for _ in together]

    def _look(self, source: LayerSource, asked: Asked, share: Share, first: bool = True) -> _Look:
        histogram = _spread(source) if self._job.histograms and first else None
        return _Look(self._measurer.parts(asked, _Values(source), share), histogram)

    def _asked(self, source: LayerSource) -> Asked:
        return self._measurer.asked(_facts(source), source.stored, self._memory.layer(source.origins))

    def _asked_once(self, sources: Sequence[LayerSource]) -> Iterator[Asked]:
        """What must be measured of each layer, a stored tensor that several have with the first of them."""
        seen: set[tuple[Origin, int, str]] = set()
        for source in sources:
            asked: dict[tuple[str, int], list[Scheme]] = {}
            for (name, axis), chosen in self._asked(source).items():
                origin = source.origins.get(name)
                new = [scheme for scheme in chosen if origin is None or (origin, axis, scheme.id) not in seen]
                seen.update((origin, axis, scheme.id) for scheme in new if origin is not None)
                if new:
                    asked[name, axis] = new
            yield asked

    def first(
        self, sources: Sequence[LayerSource], done: Callable[[], None] = lambda: None
    ) -> list[LayerSource]:
        """The layers in the order in which to send them; of a large model their estimates are sent before.

        After estimates the largest layers come first, and none where the job wants estimates alone. `done` is
        called after each estimate.
        """
        if not self._job.estimate and sum(t.bytes for s in sources for t in s.tensors) < ESTIMATED_FROM:
            return list(sources)
        self.estimates(sources, done)
        return [] if self._job.estimate else sorted(sources, key=_largest_first)

    def estimates(self, sources: Sequence[LayerSource], done: Callable[[], None] = lambda: None) -> None:
        """Send an estimate of each layer and of the whole; a second time nothing is looked at again."""
        if self._apart is None:
            with scattered_reads():
                self._apart = standing_apart(_vectors(sources))
        estimator = Estimator(self._job.schemes, samples=self._samples, apart=self._apart)
        for source, planned in _expected(sources, estimator):
            with scattered_reads():
                schemes = estimator.layer(
                    _facts(source), _Values(source), source.rows, planned, source.origins
                )
            self._send({**_described(source), "event": "estimate", "schemes": schemes})
            done()
        self._send({"event": "totals", "schemes": estimator.totals(), "dtypes": dtypes_of(sources)})

    def problem(self, failure: Failure, severity: str) -> None:
        """Send something that the reader of this model should know."""
        self._send({"event": "problem", **failure.as_event(), "severity": severity})

    def end(self, lines: list[dict[str, Any]], dtypes: dict[str, int]) -> None:
        """Send what is known of the whole model."""
        for note in self._measurer.notes:
            self.problem(Failure("gpu-fallback", note), "information")
        self._memory.save()
        self._send({"event": "lines", "lines": lines})
        if not self._job.estimate:
            self._send({"event": "totals", "schemes": self._measurer.totals(), "dtypes": dtypes})


def dtypes_of(layers: Sequence[LayerSource]) -> dict[str, int]:
    """Parameters by dtype, ties once."""
    counts: dict[str, int] = defaultdict(int)
    for layer in layers:
        for tensor in layer.tensors:
            if tensor.kind == "parameter" and tensor.tied_to is None:
                counts[tensor.dtype] += _elements(tensor.shape)
    return dict(counts)


def _facts(source: LayerSource) -> LayerFacts:
    return source.before or LayerFacts(
        source.path, source.type, source.bases, source.tensors, source.kept, source.leaf
    )


def _divided(asked: Asked, count: int) -> list[tuple[Asked, Share, bool]]:
    """So many shares of what is asked of a layer, which is the first; what needs all of a weight is one."""
    if count == 1:
        return [(asked, WHOLE, True)]
    whole, parts = (
        {place: [scheme for scheme in of if scheme.needs_whole is needed] for place, of in asked.items()}
        for needed in (True, False)
    )
    shares: list[tuple[Asked, Share, bool]] = [
        (parts, (number, count), number == 0) for number in range(count)
    ]
    return [*shares, (whole, WHOLE, False)] if any(whole.values()) else shares


def _shapes(source: LayerSource, asked: Asked) -> list[tuple[int, ...]]:
    shapes = {t.name: t.shape for t in _facts(source).tensors}
    return [shapes[name] for name, _ in asked]


def _expected(sources: Sequence[LayerSource], estimator: Estimator) -> Iterator[tuple[LayerSource, Plan]]:
    """Layers with what will be looked at, after the disk was told of that for some layers beyond."""
    waiting: deque[tuple[LayerSource, Plan]] = deque()
    for source in sources:
        planned = estimator.plan(_facts(source), source.stored)
        for part in planned.parts:
            if source.expect and estimator.new(part, source.origins.get(part.tensor)):
                source.expect(part.tensor, None if part.axis else part.rows)
        waiting.append((source, planned))
        if len(waiting) > EXPECTED_LAYERS:
            yield waiting.popleft()
    yield from waiting


def _vectors(sources: Sequence[LayerSource]) -> Iterator[torch.Tensor]:
    """Of as many elements as a matrix has rows, the disk told of them before the first is read."""
    rows = {t.shape[0] for source in sources for t in source.tensors if len(t.shape) > 1}
    found = [
        (source, t.name)
        for source in sources
        for t in source.tensors
        if len(t.shape) == 1 and t.shape[0] in rows and 0 < t.shape[0] <= LONGEST and t.name in source.stored
    ][:MOST]
    for source, name in found:
        if source.expect:
            source.expect(name, None)
    for source, name in found:
        yield source.read(name)


def _described(source: LayerSource) -> dict[str, Any]:
    """What an event says of a layer besides its schemes."""
    own = [t for t in source.tensors if t.tied_to is None]
    parameters = [t for t in own if t.kind == "parameter"]
    return {
        "path": source.path,
        "type": source.type,
        "file": source.file,
        "line": source.line,
        "parameters": sum(_elements(t.shape) for t in parameters),
        "bytes": sum(t.bytes for t in parameters),
        "buffer_bytes": sum(t.bytes for t in own if t.kind == "buffer"),
        "dtype": _main_dtype(source.tensors),
        "tensors": [dict(vars(t)) for t in source.tensors],
        "note": source.note,
    }


def _largest_first(source: LayerSource) -> tuple[bool, int]:
    """Tied layers last: a storage belongs to its first owner."""
    return any(t.tied_to for t in source.tensors), -sum(t.bytes for t in source.tensors)


class _Values(Mapping[str, torch.Tensor]):
    """Reads a tensor when it is asked for, so that one tensor at a time is in memory."""

    def __init__(self, source: LayerSource) -> None:
        self._source = source

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._source.stored:
            raise KeyError(name)
        return self._source.read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._source.stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._source.stored)

    def __len__(self) -> int:
        return len(self._source.stored)


def _spread(source: LayerSource) -> dict[str, Any] | None:
    """The histogram of the layer's largest parameter; None where no values are known."""
    named = [t for t in source.tensors if t.kind == "parameter" and t.name in source.stored]
    largest = max(named, key=lambda t: _elements(t.shape), default=None)
    return None if largest is None else histogram(source.read(largest.name))


def _elements(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _main_dtype(tensors: tuple[TensorFacts, ...]) -> str:
    """The dtype of the largest parameter, of the largest buffer where there is no parameter."""
    parameters = [t for t in tensors if t.kind == "parameter"] or list(tensors)
    return max(parameters, key=lambda t: _elements(t.shape)).dtype

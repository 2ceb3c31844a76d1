"""A checkpoint on disk as a stream of layers, tensor by tensor; it is never in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from bitlens.backends.facts import TensorFacts
from bitlens.worker import trace
from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError
from bitlens.worker.checkpoints.from_config import build_from_config
from bitlens.worker.checkpoints.layers import CheckpointLayer, describe, infer_layers
from bitlens.worker.checkpoints.opening import locate, open_checkpoint
from bitlens.worker.failure import Failure
from bitlens.worker.live import kept_in_float, lines_of
from bitlens.worker.stream import ESTIMATED_FROM, LayerSource, Stream, dtypes_of
from bitlens.worker.wire import Job


def measure(job: Job, stream: Stream, device: str) -> None:
    """Send every layer of the checkpoint that `job.file` names, and what is known of the model around it.

    Raises CheckpointError where the checkpoint is missing, broken or unsafe.
    """
    assert job.file is not None
    file, folder = locate(job.file)
    if job.config:
        folder = job.config if os.path.isdir(job.config) else os.path.dirname(job.config)
    with open_checkpoint(file) as checkpoint:
        if job.estimate:
            _first_answer(checkpoint, stream)
            stream.end([], {})
            return
        if folder is not None and _size(checkpoint) >= ESTIMATED_FROM:
            _first_answer(checkpoint, stream)
        with trace.constructions() as seen:
            model, problems = _class_of(folder)
        described = describe(checkpoint, model=model)
        known = model if model is not None and described.class_name else None
        kept = kept_in_float(known) if known is not None else {}
        layers = [_source(checkpoint, layer, known, seen, kept) for layer in described.layers]
        stream.begin(
            **{"class": type(known).__name__ if known is not None else checkpoint.format},
            weights="checkpoint",
            weights_from=file,
            layers=len(layers),
            notes=[],
        )
        for problem in problems + described.problems:
            stream.problem(Failure(problem.code, problem.message, problem.file), "warning")
        stream.layers(layers, device, checkpoint.release)
        stream.end(lines_of(known, seen.place) if known is not None else [], dtypes_of(layers))


def _first_answer(checkpoint: Checkpoint, stream: Stream) -> None:
    """Estimates by names and shapes, while the library that has the class is not even imported."""
    nowhere = trace.Constructions()
    layers = [_source(checkpoint, layer, None, nowhere, {}) for layer in infer_layers(checkpoint)]
    stream.begin(
        **{"class": checkpoint.format},
        weights="checkpoint",
        weights_from=checkpoint.files[0],
        layers=len(layers),
        notes=[],
    )
    stream.estimates(layers, checkpoint.release)


def _size(checkpoint: Checkpoint) -> int:
    return sum(checkpoint.info(name).bytes for name in checkpoint.names())


def _class_of(folder: str | None) -> tuple[torch.nn.Module | None, list[CheckpointError]]:
    if folder is None:
        return None, []
    try:
        return build_from_config(folder), []
    except CheckpointError as problem:
        return None, [problem]


def _source(
    checkpoint: Checkpoint,
    layer: CheckpointLayer,
    model: torch.nn.Module | None,
    seen: trace.Constructions,
    kept: Mapping[str, str],
) -> LayerSource:
    place = seen.place(model.get_submodule(layer.path)) if model is not None else None
    direct = layer.stored <= layer.origins.keys()
    return LayerSource(
        path=layer.path,
        type=layer.type,
        bases=layer.bases,
        tensors=tuple(TensorFacts(**tensor) for tensor in layer.tensors),
        read=layer.read,
        stored=layer.stored,
        file=place[0] if place else None,
        line=place[1] if place else None,
        note=layer.note,
        kept=kept.get(layer.path),
        leaf=layer.leaf,
        origins=layer.origins,
        rows=(lambda name, drawn: checkpoint.rows(layer.origins[name][1], drawn)) if direct else None,
        expect=(lambda name, drawn: checkpoint.expect(layer.origins[name][1], drawn)) if direct else None,
    )

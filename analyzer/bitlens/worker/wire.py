"""What client and worker say to each other: one JSON object a line, jobs down, events up.

The only module that both processes import, so it needs nothing but the standard library.

A job is `{"protocol": 1, "kind": "program" | "checkpoint" | "environment", ...}` with the keys of `Job`.
The worker answers each job with events `{"event": NAME, ...}`:

    started      torch is loaded and the job begins; its time limit counts from here
    environment  python, executable, torch, device, device_name, libraries
    model        name, class, file, line, weights, weights_from, layers (how many will follow), unsized (the
                 kinds of tensors that have no size before the first input, for which no layer follows)
    estimate     as layer, from sampled rows: a first answer, one for each layer in the model's order
    layer        one layer in the form of the JSON document; the largest first where estimates came before
    lines        lines of the model in the form of the JSON document
    totals       schemes of the whole model
    problem      code, message, file, line, severity
    done         the job is over; always the last event of a job
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import IO, Any

PROTOCOL = 1
MAX_LINE = 64 * 1024 * 1024
"""Bytes of the longest line that either side accepts; a longer one is a broken or hostile peer."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One piece of work. Paths are absolute; `memory_limit` is in bytes, 0 for none."""

    kind: str
    schemes: tuple[str, ...] = ()
    device: str = "auto"
    allow_network: bool = False
    memory_limit: int = 0
    file: str | None = None
    """program: the user's file, for tracebacks and imports; checkpoint: file, folder or hub id."""
    text: str | None = None
    """program: the slice, with the user's line numbers."""
    target: str | None = None
    """program: the expression that is the model once the slice has run."""
    name: str | None = None
    line: int | None = None
    cache: str | None = None
    """checkpoint: a folder to keep what was measured of each file of weights."""
    estimate: bool = False
    """checkpoint: stop after the estimates; large ones are always estimated first."""
    histograms: bool = False
    """Whether layers say how their weights are spread; costs another look at one tensor of each."""
    config: str | None = None
    """checkpoint: a config.json (or its folder) that names the class, if it is not beside the weights."""


def encode(message: Any) -> bytes:
    """One message as a line; NaN and infinity are refused, since JSON has none."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def encode_job(job: Job) -> bytes:
    """A job as a line."""
    return encode({"protocol": PROTOCOL, **asdict(job)})


def read_job(stream: IO[bytes]) -> Job | None:
    """The next job, None at the end of input. ValueError for another protocol."""
    line = stream.readline(MAX_LINE)
    if not line:
        return None
    message = json.loads(line)
    if message.pop("protocol", None) != PROTOCOL:
        raise ValueError("client and worker are of different versions of bitlens")
    message["schemes"] = tuple(message["schemes"])
    return Job(**message)

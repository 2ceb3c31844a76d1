"""Tensors brought to the measuring device by a thread of their own, so that nothing waits for anything.

While one tensor is measured the next is read from its file and copied: through two pinned buffers in turn, on
a stream of its own. On the CPU the same code runs without streams, which is how it is tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from threading import Condition, Thread
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

STAGING_BYTES = 1 << 25
"""Of each of the two buffers."""
AHEAD_BYTES = 1 << 30
"""Tensors of later layers that wait on the device for their turn; one larger than that comes alone."""


class Source(Protocol):
    """What is needed of a layer (`worker.stream.LayerSource`)."""

    @property
    def stored(self) -> frozenset[str]:
        """Names of the tensors that have values."""
        ...

    def read(self, name: str, /) -> Tensor:
        """The values of one of them."""
        ...


S = TypeVar("S", bound=Any)


def transferred(layers: Sequence[S], device: str, ahead_bytes: int = AHEAD_BYTES) -> Iterator[S]:
    """The layers one by one, each with its `read` replaced by one that gives tensors on `device`.

    The model need not fit there as a whole. A layer's tensors are kept until the next layer is asked for.
    What `read` raises is raised by the new one.
    """
    ahead = _Ahead(layers, Carrier(device), ahead_bytes)
    try:
        for index, layer in enumerate(layers):
            ahead.enter(index)
            yield layer._replace(read=ahead.reader(index))
    finally:
        ahead.close()


class Carrier:
    """Copies tensors to a device through two staging buffers, pinned and asynchronous where it is a GPU."""

    def __init__(self, device: str, staging_bytes: int = STAGING_BYTES) -> None:
        self._device = torch.device(device)
        self._staging_bytes = staging_bytes
        self._buffers: list[Tensor] = []
        self._free: list[Any] = []
        gpu = self._device.type == "cuda"
        self._stream: Any = torch.cuda.Stream(self._device) if gpu else None  # type: ignore[no-untyped-call]
        self._turn = 0

    def carry(self, tensor: Tensor) -> Arrival:
        """Start the copy of a plain CPU tensor; anything else is moved as it moves itself."""
        if (
            type(tensor) not in (Tensor, torch.nn.Parameter)
            or tensor.device.type != "cpu"
            or not tensor.numel()
        ):
            return Arrival(tensor.detach().to(self._device), None)
        with self._on_stream():
            arrived = torch.empty(tensor.shape, dtype=tensor.dtype, device=self._device)
            source = tensor.detach().reshape(-1).view(torch.uint8)
            target = arrived.view(-1).view(torch.uint8)
            for start in range(0, source.numel(), self._staging_bytes):
                self._copy(source[start : start + self._staging_bytes], target[start:])
            return Arrival(arrived, self._mark())

    def _copy(self, source: Tensor, target: Tensor) -> None:
        if not self._buffers:
            self._buffers = [self._staging() for _ in range(2)]
            self._free = [None, None]
        self._turn ^= 1
        if self._free[self._turn] is not None:
            self._free[self._turn].synchronize()
        staged = self._buffers[self._turn][: source.numel()].copy_(source)
        target[: source.numel()].copy_(staged, non_blocking=True)
        self._free[self._turn] = self._mark()

    def _staging(self) -> Tensor:
        """Pinned memory where the system has some to give: without it the copies are right, but wait."""
        if self._stream is not None:
            with suppress(RuntimeError):
                return torch.empty(self._staging_bytes, dtype=torch.uint8, pin_memory=True)
        return torch.empty(self._staging_bytes, dtype=torch.uint8)

    def _on_stream(self) -> Any:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _mark(self) -> Any:
        return None if self._stream is None else self._stream.record_event()


class Arrival(NamedTuple):
    """A tensor on its way, and the event after which it is there (None: it is there)."""

    tensor: Tensor
    event: Any

    def wait(self) -> Tensor:
        """The tensor; work that the current stream is given from now on starts after its arrival."""
        if self.event is not None:
            stream = torch.cuda.current_stream(self.tensor.device)
            stream.wait_event(self.event)
            self.tensor.record_stream(stream)
        return self.tensor


class _Ahead:
    """The thread that reads, and what it has read: (layer's index, name) to an arrival or what went wrong."""

    def __init__(self, layers: Sequence[Source], carrier: Carrier, ahead_bytes: int) -> None:
        self._layers, self._carrier, self._ahead_bytes = layers, carrier, ahead_bytes
        self._changed = Condition()
        self._there: dict[tuple[int, str], Arrival | BaseException] = {}
        self._current = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="bitlens-transfer", daemon=True)
        self._thread.start()

    def enter(self, index: int) -> None:
        """Drop the tensors of all layers before this one."""
        with self._changed:
            self._current = index
            for key in [key for key in self._there if key[0] < index]:
                del self._there[key]
            self._changed.notify_all()

    def reader(self, index: int) -> Any:
        """`read` of one layer."""

        def read(name: str) -> Tensor:
            key = (index, name)
            with self._changed:
                self._changed.wait_for(lambda: key in self._there)
                found = self._there[key]
            if isinstance(found, BaseException):
                raise found
            return found.wait()

        return read

    def close(self) -> None:
        """Stop reading."""
        with self._changed:
            self._closed = True
            self._there.clear()
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        for index, layer in enumerate(self._layers):
            for name in sorted(layer.stored):
                if not self._wait_for_room(index):
                    return
                arrival = self._fetch(layer, name)
                with self._changed:
                    if index >= self._current:
                        self._there[index, name] = arrival
                    self._changed.notify_all()

    def _fetch(self, layer: Source, name: str) -> Arrival | BaseException:
        try:
            return self._carrier.carry(layer.read(name))
        except BaseException as error:
            return error

    def _wait_for_room(self, index: int) -> bool:
        """False when it is over. The layer at hand never waits: its reader does already."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or index <= self._current or self._has_room())
            return not self._closed

    def _has_room(self) -> bool:
        waiting = [found for (index, _), found in self._there.items() if index > self._current]
        sizes = (
            found.tensor.numel() * found.tensor.element_size()
            for found in waiting
            if isinstance(found, Arrival)
        )
        return sum(sizes) < self._ahead_bytes

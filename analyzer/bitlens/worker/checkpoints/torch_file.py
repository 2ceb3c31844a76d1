"""Files of torch.save, loaded with `weights_only=True` and never without: nothing in the file can run."""

from __future__ import annotations

import ctypes
import mmap
import re
import sys
import warnings
import zipfile
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import torch

from bitlens.worker.checkpoints.base import Checkpoint, CheckpointError, TensorInfo, open_regular

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params")
"""Keys under which trainers put the state dict (Lightning, DeepSpeed, fairseq, hand-written loops)."""
_TRAINING = re.compile("optim|schedul|scaler|rng_state", re.IGNORECASE)
"""In the keys under which trainers put what is no model."""
_MOST_GROUPS = 4
"""Groups within groups that are looked into."""
_MAX_EXPANSION = 1 << 24
"""Bytes that a tensor may span beyond its storage (an expanded view); more is a file that lies."""
_MADV_DONTNEED = 4


class TorchFile(Checkpoint):
    """One file of torch.save: a zip stays on disk, mapped; a file from before torch 1.6 is loaded whole."""

    format = "torch"

    def __init__(self, path: str) -> None:
        self.files = [path]
        self.metadata: dict[str, Any] = {}
        self._path = path
        self._mapped = _is_zip(path)
        if self._mapped:
            _check_zip(path)
        self._tensors = state_dict(_load(path, self._mapped), path)
        self._touched: set[str] = set()

    def names(self) -> list[str]:
        """Names in the order of the state dict."""
        return list(self._tensors)

    def info(self, name: str) -> TensorInfo:
        """Shape and dtype as saved, of a sparse one its layout; `bytes` never more than the storage holds."""
        tensor = self._tensor(name)
        dtype = str(tensor.dtype if tensor.layout is torch.strided else tensor.layout)[6:]
        return TensorInfo(name, tuple(tensor.shape), dtype, _stored_bytes(tensor), self._path)

    def read(self, name: str) -> torch.Tensor:
        """A view of the file; CheckpointError `unreadable` for layouts that hold no plain values."""
        tensor = self._tensor(name)
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            kind = f"{tensor.layout}, {tensor.dtype}, {tensor.device}"
            raise CheckpointError("unreadable", f"{name} holds no plain values ({kind}).", self._path)
        if tensor.numel() * tensor.element_size() > _stored_bytes(tensor) + _MAX_EXPANSION:
            message = f"{name} claims far more values than the file holds."
            raise CheckpointError("unreadable", message, self._path)
        self._touched.add(name)
        return tensor.detach()

    def has_values(self, name: str) -> bool:
        """A tensor that was saved from the meta device has none."""
        return self._tensor(name).device.type == "cpu"

    def storage_key(self, name: str) -> Hashable:
        """Tensors saved as one (tied) have one key: same storage, start and extent."""
        tensor = self._tensor(name)
        if tensor.layout is not torch.strided or tensor.numel() == 0 or tensor.device.type != "cpu":
            return (self._path, name)
        return (self._path, tensor.data_ptr(), _stored_bytes(tensor))

    def release(self) -> None:
        """Give the pages read so far back to the system; they are read from the file again when needed."""
        names, self._touched = self._touched, set()
        if self._mapped:
            for name in tuple(names):  # another thread may still be reading
                _drop_pages(self._tensors[name].untyped_storage())

    def close(self) -> None:
        """Forget the tensors; those still in use keep the file mapped."""
        self._tensors = {}

    def _tensor(self, name: str) -> torch.Tensor:
        try:
            return self._tensors[name]
        except KeyError:
            raise CheckpointError("missing-tensor", f"There is no tensor {name}.", self._path) from None


def state_dict(loaded: object, path: str) -> dict[str, torch.Tensor]:
    """The named tensors in what torch.load gave: a tensor, a sequence or a dict, wrapped by a trainer or not.

    Groups (`{"generator": {...}, "discriminator": {...}}`, the weight and bias that a layer of torch.ao
    packs) become prefixes of the names; those of optimizers and the like are left out.
    """
    for _ in range(4):
        wrapped = loaded if isinstance(loaded, dict) else {}
        inner = next((wrapped[key] for key in _WRAPPERS if _has_tensors(wrapped.get(key))), None)
        if inner is None:
            break
        loaded = inner
    if isinstance(loaded, torch.Tensor):
        return {"tensor": loaded}
    found = _grouped(loaded, _MOST_GROUPS, set())
    if not found:
        raise CheckpointError("no-tensors", "The file holds no tensors in a form that bitlens knows.", path)
    return found


def _items(container: object) -> list[tuple[object, object]]:
    if isinstance(container, dict):
        return list(container.items())
    return list(enumerate(container)) if isinstance(container, (list, tuple)) else []


def _has_tensors(value: object) -> bool:
    return isinstance(value, dict) and any(
        isinstance(item, torch.Tensor) or (isinstance(item, dict) and _has_direct(item))
        for item in value.values()
    )


def _has_direct(value: dict[Any, Any]) -> bool:
    return any(isinstance(item, torch.Tensor) for item in value.values())


def _grouped(container: object, depth: int, seen: set[int]) -> dict[str, torch.Tensor]:
    """Tensors by name, of inner groups with their prefix; a trainer's key around a single group is none.

    Groups in a container are looked at once: a file that refers to itself takes no longer than its size.
    """
    found: dict[str, torch.Tensor] = {}
    groups: list[tuple[str, dict[str, torch.Tensor]]] = []
    inner = depth > 0 and id(container) not in seen
    seen.add(id(container))
    for key, value in _items(container):
        if isinstance(value, torch.Tensor):
            found[str(key)] = value
        elif inner and not _is_training_state(key, value):
            group = _grouped(value, depth - 1, seen)
            groups += [(str(key), group)] if group else []
            found.update({f"{key}.{name}": tensor for name, tensor in group.items()})
    if len(groups) == 1 and groups[0][0] in _WRAPPERS and len(found) == len(groups[0][1]):
        return groups[0][1]
    return found


def _is_training_state(key: object, value: object) -> bool:
    return (isinstance(value, dict) and "param_groups" in value) or bool(_TRAINING.search(str(key)))


def _is_zip(path: str) -> bool:
    with open_regular(path) as file:
        return file.read(4) == b"PK\x03\x04"


def _check_zip(path: str) -> None:
    """torch.save stores its records uncompressed; a compressed one could expand without bound."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        message = f"The zip directory cannot be read ({error}): the file is cut off; fetch it again."
        raise CheckpointError("truncated", message, path) from None
    names = [record.filename.partition("/")[2] for record in records]
    if "constants.pkl" in names:
        message = "The file is a TorchScript program. Load it with torch.jit.load and save its state_dict()."
        raise CheckpointError("unknown-format", message, path)
    if "data.pkl" not in names:
        raise CheckpointError("unknown-format", "The zip file was not written by torch.save.", path)
    if any(record.compress_type or record.file_size != record.compress_size for record in records):
        raise CheckpointError("bad-header", "The zip file is compressed, which torch.save never does.", path)
    if sum(record.file_size for record in records) > Path(path).stat().st_size:
        raise CheckpointError("bad-header", "The zip directory claims more bytes than the file holds.", path)


def _load(path: str, mapped: bool) -> object:
    """torch.load without code; every way in which it fails becomes a CheckpointError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a broken pickle raises anything from KeyError to RecursionError
        raise _explain(str(error), type(error).__name__, path) from None


def _explain(message: str, kind: str, path: str) -> CheckpointError:
    asked = re.search(r"GLOBAL ([\w.<>]+)|call reduce for unrecognized function (.{1,100})", message)
    if asked is None:
        said = message.rpartition("WeightsUnpickler error:")[2]  # before it: how to run what is in the file
        text = said.strip()[:300].splitlines()[0] if said.strip() else kind
        return CheckpointError("unreadable", f"torch.load cannot read the file: {kind}: {text}", path)
    what = asked[1] or asked[2]
    return CheckpointError(
        "unsafe-pickle",
        f"The pickle asks for {what}, which is code and not weights; nothing was run. If it is a whole "
        "model, save its state_dict() (or safetensors) instead, or analyze the program that loads it.",
        path,
    )


def _stored_bytes(tensor: torch.Tensor) -> int:
    """Bytes of the tensor, at most those of its storage; indices and values of a sparse one."""
    if tensor.layout is torch.sparse_coo:
        return sum(part.numel() * part.element_size() for part in (tensor._indices(), tensor._values()))
    size = tensor.numel() * tensor.element_size()
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return size
    return min(size, tensor.untyped_storage().nbytes())


def _drop_pages(storage: torch.UntypedStorage) -> None:
    """Tell the system that the mapped pages of a storage are not needed (POSIX; elsewhere a no-op)."""
    if sys.platform == "win32" or storage.nbytes() == 0:
        return
    start = storage.data_ptr()
    inset = start % mmap.PAGESIZE
    library = ctypes.CDLL(None)
    library.madvise(ctypes.c_void_p(start - inset), ctypes.c_size_t(storage.nbytes() + inset), _MADV_DONTNEED)

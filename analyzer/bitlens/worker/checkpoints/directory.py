"""Which file of a folder is its checkpoint, by the precedence of transformers and diffusers."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.json_text import read_object
from bitlens.worker.checkpoints.sharded import refuse_missing, split_files, unsplit

_KNOWN = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
)
_OTHERS = (
    (".safetensors.index.json",),
    (".safetensors",),
    (".gguf",),
    (".bin.index.json",),
    (".bin", ".pt", ".pth", ".ckpt"),
)
_OF_THE_MODEL = re.compile(
    r"((diffusion_)?pytorch_)?model(\.\w+)?\.(safetensors|bin)(\.index(\.\w+)?\.json)?", re.ASCII
)
"""What transformers and diffusers call a model's weights, also its variants (`model.fp16.safetensors`)."""
_NOT_WEIGHTS = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state(_\d+)?)\.(bin|pth?)")
"""What a trainer saves beside a model."""
_WHAT_IS_MISSING = "Fetch them into the same folder, or give the path of a file that is there."


def read_config(folder: str) -> dict[str, Any] | None:
    """The folder's config.json, or None if it has none."""
    path = Path(folder, "config.json")
    return read_object(str(path), "config.json") if path.is_file() else None


def is_described(file: str) -> bool:
    """Whether a config.json beside `file` is that of its model: not of adapters, exports, others."""
    folder, name = str(Path(file).parent), Path(file).name
    if not Path(folder, "config.json").is_file() or name.endswith(".gguf"):
        return False
    if not all(Path(part).exists() for part in split_files(file)):
        return False
    if _OF_THE_MODEL.fullmatch(unsplit(name)):
        return True
    with suppress(CheckpointError):
        return Path(checkpoint_file(folder)).name == name
    return False


def checkpoint_file(folder: str) -> str:
    """Path of the file to open in `folder`; CheckpointError where there is none or no single one."""
    try:
        names = sorted(entry.name for entry in Path(folder).iterdir() if entry.is_file())
    except OSError as error:
        raise CheckpointError("unreadable", f"{folder} cannot be listed: {error}.", folder) from None
    chosen = _named_by_config(folder) or next((name for name in _KNOWN if name in names), None)
    if chosen is not None:
        return str(Path(folder, chosen))
    if "model_index.json" in names:
        raise _pipeline(folder)
    for endings in _OTHERS:
        candidates = [name for name in names if name.endswith(endings) and not _NOT_WEIGHTS.fullmatch(name)]
        if candidates:
            return str(Path(folder, _single(candidates, folder)))
    raise _nothing(folder)


def _named_by_config(folder: str) -> str | None:
    """The weights file that config.json names itself (`transformers_weights`), if it lies in the folder."""
    name = (read_config(folder) or {}).get("transformers_weights")
    if not isinstance(name, str) or Path(name).name != name:
        return None
    return name if Path(folder, name).is_file() else None


def _single(candidates: list[str], folder: str) -> str:
    """The only candidate, or the first file of the only split."""
    if len({split_files(name)[0] for name in candidates}) == 1:
        files = [str(Path(folder, name)) for name in split_files(candidates[0])]
        refuse_missing(files, folder, _WHAT_IS_MISSING)
        return candidates[0]
    listed = ", ".join(candidates[:8]) + (" …" if len(candidates) > 8 else "")
    message = f"The folder holds several checkpoints and no index: {listed}. Give the path of one of them."
    raise CheckpointError("ambiguous-checkpoint", message, folder)


def _pipeline(folder: str) -> CheckpointError:
    listed = ", ".join(_model_folders(folder)) or "none found"
    message = f"The folder is a pipeline of several models; give the folder of one of them: {listed}."
    return CheckpointError("ambiguous-checkpoint", message, folder)


def _nothing(folder: str) -> CheckpointError:
    message = "The folder holds no checkpoint (.safetensors, an index, .gguf, .bin, .pt, .pth or .ckpt)."
    inside = _model_folders(folder)
    if inside:
        message += f" Its folders with a model: {', '.join(inside)}."
    return CheckpointError("no-checkpoint", message, folder)


def _model_folders(folder: str) -> list[str]:
    """Folders one level down that hold weights by a known name."""
    inside = sorted(entry for entry in Path(folder).iterdir() if entry.is_dir())
    return [str(entry) for entry in inside if any((entry / name).is_file() for name in _KNOWN)][:20]

"""Files of torch.save: read as torch.load reads them, and never run."""

from __future__ import annotations

import os
import pickle
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.opening import open_checkpoint
from torch import nn

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def saved(tmp_path: Path, obj: object, zipped: bool = True) -> str:
    path = tmp_path / "weights.pt"
    torch.save(obj, path, _use_new_zipfile_serialization=zipped)
    return str(path)


@FORMATS
def test_a_state_dict(tmp_path: Path, zipped: bool) -> None:
    expected = net().half().state_dict()
    with open_checkpoint(saved(tmp_path, expected, zipped)) as checkpoint:
        assert checkpoint.format == "torch"
        assert checkpoint.names() == list(expected)
        for name, tensor in expected.items():
            assert checkpoint.info(name).shape == tuple(tensor.shape)
            assert checkpoint.info(name).dtype == str(tensor.dtype)[6:]
            assert checkpoint.info(name).bytes == tensor.nbytes
            assert torch.equal(checkpoint.read(name), tensor)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.uint16], ids=str)
def test_dtypes(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.arange(6).to(dtype)
    with open_checkpoint(saved(tmp_path, {"a": tensor})) as checkpoint:
        assert torch.equal(checkpoint.read("a").view(torch.uint8), tensor.view(torch.uint8))


STATE = net().state_dict()
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"params": [0]}]}
WRAPPED: dict[str, Any] = {
    "Lightning": {
        "epoch": 3,
        "state_dict": STATE,
        "optimizer_states": [{"state": {0: {"step": torch.ones(1)}}}],
    },
    "hand-written": {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}}, "loss": 0.1},
    "model": {"model": STATE, "optimizer": {"exp_avg": torch.ones(3)}},
    "twice": {"state_dict": {"model": STATE}},
    "ordered": OrderedDict(STATE),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_the_state_dict_is_found_in_what_trainers_save(tmp_path: Path, wrapping: str) -> None:
    with open_checkpoint(saved(tmp_path, WRAPPED[wrapping])) as checkpoint:
        assert checkpoint.names() == list(STATE)


@pytest.mark.parametrize(
    ("obj", "names"),
    [
        (torch.ones(3), ["tensor"]),
        (nn.Parameter(torch.ones(3)), ["tensor"]),
        ([torch.ones(3), torch.ones(2)], ["0", "1"]),
        ({"generator": {"w": torch.ones(3)}, "critic": {"w": torch.ones(3)}}, ["generator.w", "critic.w"]),
        ({7: torch.ones(3)}, ["7"]),
        ({"models": {"G": STATE}}, [f"models.G.{name}" for name in STATE]),
        ({"generator": {"state_dict": STATE}}, [f"generator.{name}" for name in STATE]),
        ({"a": {"w": torch.ones(3)}, "b": {"state_dict": {"w": torch.ones(3)}}}, ["a.w", "b.w"]),
        (
            {"nets": {"model": {"w": torch.ones(3)}, "ema": {"w": torch.ones(3)}}},
            ["nets.model.w", "nets.ema.w"],
        ),
        ({"state_dict": {"models": {"G": {"w": torch.ones(3)}}}, "epoch": 3}, ["models.G.w"]),
        (
            {
                "nets": {"G": {"state_dict": {"w": torch.ones(3)}, "opt": OPTIMIZER}},
                "optimizer_G": {"groups": [torch.ones(3)]},
            },
            ["nets.G.w"],
        ),
    ],
    ids=[
        "tensor",
        "parameter",
        "list",
        "groups",
        "number as key",
        "two levels",
        "wrapped in a group",
        "beside one that is wrapped",
        "a wrapper's name beside others",
        "groups that are wrapped",
        "optimizers",
    ],
)
def test_other_containers(tmp_path: Path, obj: object, names: list[str]) -> None:
    with open_checkpoint(saved(tmp_path, obj)) as checkpoint:
        assert checkpoint.names() == names
        assert not any(checkpoint.read(name).requires_grad for name in names)


def test_a_pickle_of_another_program_tells_what_is_unknown_and_not_how_to_run_it(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"epoch": 3}, protocol=4))
    with pytest.raises(CheckpointError, match="operand") as caught:
        open_checkpoint(str(path))
    assert caught.value.code == "unreadable"
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("obj", [{}, {"epoch": 3}, "text", None, {"a": {"b": {"c": 1}}}], ids=str)
def test_a_file_without_tensors(tmp_path: Path, obj: object) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(saved(tmp_path, obj))
    assert caught.value.code == "no-tensors"


def test_a_file_that_refers_to_itself_ends(tmp_path: Path) -> None:
    groups: dict[str, object] = {"w": torch.ones(3)}
    groups.update({f"g{number}": groups for number in range(300)})
    with open_checkpoint(saved(tmp_path, groups)) as checkpoint:
        assert checkpoint.names()[:2] == ["w", "g0.w"]
        assert len(checkpoint.names()) == 301


@FORMATS
def test_tied_tensors_share_a_key_and_slices_do_not(tmp_path: Path, zipped: bool) -> None:
    tied, base = torch.ones(6, 2), torch.ones(4, 3)
    state = {"embed": tied, "head": tied, "other": torch.ones(6, 2), "first": base[:2], "second": base[2:]}
    with open_checkpoint(saved(tmp_path, state, zipped)) as checkpoint:
        keys = {name: checkpoint.storage_key(name) for name in checkpoint.names()}
    assert keys["embed"] == keys["head"]
    assert len(set(keys.values())) == 4


def test_released_pages_come_back(tmp_path: Path) -> None:
    expected = torch.arange(100_000.0)
    with open_checkpoint(saved(tmp_path, {"a": expected, "b": expected + 1})) as checkpoint:
        tensor = checkpoint.read("a")
        total = tensor.sum()
        checkpoint.release()
        assert tensor.sum() == total
        assert torch.equal(tensor, expected)
        assert torch.equal(checkpoint.read("b"), expected + 1)


def test_a_small_storage_cannot_pretend_to_be_a_large_tensor(tmp_path: Path) -> None:
    state = {"huge": torch.ones(1).expand(2**20, 2**20), "mask": torch.ones(1, 4).expand(3, 4)}
    with open_checkpoint(saved(tmp_path, state)) as checkpoint:
        assert checkpoint.info("huge").bytes == 4
        assert checkpoint.read("mask").sum() == 12
        with pytest.raises(CheckpointError, match="far more values"):
            checkpoint.read("huge")


def test_layouts_without_plain_values_are_listed_and_not_read(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates its own quantized tensors
        quantized = torch.quantize_per_tensor(torch.ones(4, 4), 0.1, 0, torch.qint8)
        path = saved(
            tmp_path, {"sparse": torch.eye(5).to_sparse(), "quantized": quantized, "plain": torch.ones(2)}
        )
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.info("sparse").bytes == 5 * (2 * 8 + 4)
        assert checkpoint.info("sparse").dtype == "sparse_coo"  # what has no values of its own is no weight
        assert checkpoint.info("quantized").bytes == 16
        for name in ("sparse", "quantized"):
            with pytest.raises(CheckpointError, match="no plain values"):
                checkpoint.read(name)


def test_what_a_layer_of_torch_ao_packs_is_there(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates it
        net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 4)), {nn.Linear})
        path = saved(tmp_path, net.state_dict())
    with open_checkpoint(path) as checkpoint:
        shapes = {checkpoint.info(name).shape for name in checkpoint.names()}
        dtypes = {checkpoint.info(name).dtype for name in checkpoint.names()}
    assert {tuple(net[0].weight().shape), tuple(net[0].bias().shape)} <= shapes
    assert "qint8" in dtypes


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._marker),)


@FORMATS
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    marker = tmp_path / "marker"
    path = saved(tmp_path, {"w": torch.ones(2), "x": Malicious(marker)}, zipped)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert caught.value.code == "unsafe-pickle"
    assert "posix.mkdir" in caught.value.message
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), "the file is harmless, so the test shows nothing"


def test_a_bare_pickle_with_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "marker")))
    with pytest.raises(CheckpointError):
        open_checkpoint(str(path))
    assert not (tmp_path / "marker").exists()


@FORMATS
def test_a_whole_pickled_module_tells_the_way_out(tmp_path: Path, zipped: bool) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(saved(tmp_path, net(), zipped))
    assert caught.value.code == "unsafe-pickle"
    assert "torch.nn.modules.container.Sequential" in caught.value.message
    assert "state_dict()" in caught.value.message


@FORMATS
def test_a_cut_off_file(tmp_path: Path, zipped: bool) -> None:
    path = Path(saved(tmp_path, {"w": torch.ones(1000)}, zipped))
    whole = path.read_bytes()
    for size in (0, 1, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(str(path))
        assert caught.value.code in ("truncated", "unreadable", "unknown-format")


def test_other_archives_are_named(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript
        torch.jit.script(net().eval()).save(str(tmp_path / "script.pt"))
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("a/b.npy", b"")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10**6))
    with tarfile.open(tmp_path / "tar.pt", "w") as tar:
        tar.add(tmp_path / "other.pt", "storages")
    for name, words in {
        "script.pt": "TorchScript",
        "other.pt": "not written by torch.save",
        "bomb.pt": "compressed",
        "tar.pt": "neither",
    }.items():
        with pytest.raises(CheckpointError, match=words):
            open_checkpoint(str(tmp_path / name))

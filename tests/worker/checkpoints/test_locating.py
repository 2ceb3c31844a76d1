"""From what a user names to files: shards, folders, the hub cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from bitlens.worker.checkpoints.base import CheckpointError
from bitlens.worker.checkpoints.opening import locate, open_checkpoint
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

ORDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def code_of(target: Path | str) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(target))
    return caught.value.code


def tiny() -> transformers.LlamaForCausalLM:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=50
        )
    )


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    tiny().save_pretrained(folder, max_shard_size="6KB")
    return folder


@pytest.fixture
def folder(sharded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sharded, tmp_path / "copy"))


def bin_shards(folder: Path) -> Path:
    """Two torch.save shards and their index, as transformers 4 wrote them."""
    state = list(tiny().state_dict().items())
    files = {"pytorch_model-00001-of-00002.bin": state[:5], "pytorch_model-00002-of-00002.bin": state[5:]}
    for name, part in files.items():
        torch.save(dict(part), folder / name)
    index = folder / "pytorch_model.bin.index.json"
    weight_map = {key: name for name, part in files.items() for key, _ in part}
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


def test_safetensors_shards_hold_the_whole_model(sharded: Path) -> None:
    expected = tiny().state_dict()
    index = sharded / "model.safetensors.index.json"
    with open_checkpoint(str(index)) as checkpoint:
        assert len(checkpoint.files) == len(list(sharded.glob("*.safetensors"))) > 2
        assert sorted(checkpoint.names()) == sorted(expected)
        assert checkpoint.metadata == json.loads(index.read_text())["metadata"]
        assert len({checkpoint.storage_key(name) for name in expected}) == len(expected)
        for name, tensor in expected.items():
            assert torch.equal(checkpoint.read(name), tensor)
            assert checkpoint.info(name).file in checkpoint.files


def test_torch_shards_hold_the_whole_model(tmp_path: Path) -> None:
    with open_checkpoint(str(bin_shards(tmp_path))) as checkpoint:
        assert checkpoint.format == "torch"
        for name, tensor in tiny().state_dict().items():
            assert torch.equal(checkpoint.read(name), tensor)
            checkpoint.release()


def test_gguf_split_opens_from_any_part(tmp_path: Path) -> None:
    for number in (1, 2):
        writer = gguf.GGUFWriter(tmp_path / f"m-{number:05d}-of-00002.gguf", "llama")
        writer.add_tensor(f"blk.{number}.w", np.full((2, 3), number, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    for target in (tmp_path, tmp_path / "m-00002-of-00002.gguf"):
        with open_checkpoint(str(target)) as checkpoint:
            assert [float(checkpoint.read(name).sum()) for name in checkpoint.names()] == [6.0, 12.0]
    (tmp_path / "m-00001-of-00002.gguf").unlink()
    assert code_of(tmp_path / "m-00002-of-00002.gguf") == "missing-shard"


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_shards_without_an_index_are_joined_where_all_are_there(
    sharded: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "bin":
        bin_shards(tmp_path)
    for path in [*sharded.glob("model-*"), sharded / "config.json"] if kind == "safetensors" else ():
        shutil.copy(path, tmp_path)
    expected = tiny().state_dict()
    (tmp_path / "pytorch_model.bin.index.json").unlink(missing_ok=True)
    files = sorted(tmp_path.glob(f"*.{kind}"))
    described = str(tmp_path) if kind == "safetensors" else None
    assert locate(str(tmp_path)) == (str(files[0]), described)
    for target in (tmp_path, files[1]):
        assert locate(str(target))[1] == described
        with open_checkpoint(str(target)) as checkpoint:
            assert checkpoint.files == [str(file) for file in files]
            assert {name: checkpoint.info(name).shape for name in checkpoint.names()} == {
                name: tuple(tensor.shape) for name, tensor in expected.items()
            }
    files[0].unlink()
    with pytest.raises(
        CheckpointError, match=f"1 of {len(files)} shards are missing: {files[0].name}.*give"
    ) as caught:
        open_checkpoint(str(tmp_path))
    assert caught.value.code == "missing-shard"
    with open_checkpoint(str(files[1])) as checkpoint:
        assert checkpoint.files == [str(files[1])]
    assert locate(str(files[1]))[1] is None


def test_numbers_that_cannot_be_are_no_split(tmp_path: Path) -> None:
    for name in ("m-00001-of-00000.safetensors", "m-00003-of-00002.safetensors"):
        path = tmp_path / name
        safetensors.torch.save_file({"w": torch.ones(2)}, path)
        for target in (tmp_path, path):
            with open_checkpoint(str(target)) as checkpoint:
                assert checkpoint.files == [str(path)]
        path.unlink()


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=shard.name) as caught:
        open_checkpoint(str(folder))
    assert caught.value.code == "missing-shard"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lm_head.more": "LAST"}, "missing-tensor"),
        ({"x": "../model.safetensors"}, "unsafe-path"),
        ({"x": "/etc/passwd"}, "unsafe-path"),
        ({"x": "a\0b"}, "unsafe-path"),
        ({"x": 3}, "bad-header"),
        ({"x": "config.json"}, "unknown-format"),
    ],
)
def test_an_index_that_lies(folder: Path, change: dict[str, object], code: str) -> None:
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    last = sorted(content["weight_map"].values())[-1]
    content["weight_map"].update({name: last if file == "LAST" else file for name, file in change.items()})
    index.write_text(json.dumps(content))
    assert code_of(index) == code


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": []}'])
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    assert code_of(path) == "bad-header"


def test_precedence_is_that_of_transformers(tmp_path: Path) -> None:
    """Remove the files in the expected order; transformers must always agree on which one is next."""
    from transformers.modeling_utils import _get_resolved_checkpoint_files

    model = tiny()
    model.config.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path, max_shard_size="6KB")
    bin_shards(tmp_path)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors", {"format": "pt"})
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    for name in ORDER:
        assert locate(str(tmp_path)) == (str(tmp_path / name), str(tmp_path))
        expected, _ = _get_resolved_checkpoint_files(str(tmp_path), None, None, None, None, False)
        with open_checkpoint(str(tmp_path)) as checkpoint:
            assert sorted(checkpoint.files) == sorted(expected)
        (tmp_path / name).unlink()


def test_a_config_beside_a_file_of_the_model_describes_it(tmp_path: Path) -> None:
    """By the names that the libraries write, else where the folder itself would open this file."""
    (tmp_path / "config.json").write_text("{}")
    theirs = [*ORDER, "model.fp16.safetensors", "diffusion_pytorch_model.non_ema.bin"]
    others = ["weights.pt", "adapter_model.safetensors", "mmproj.gguf", "model-00001-of-00002.safetensors"]
    for name in theirs + others:
        (tmp_path / name).touch()
    folders = {name: locate(str(tmp_path / name))[1] for name in theirs + others}
    assert folders == {**dict.fromkeys(theirs, str(tmp_path)), **dict.fromkeys(others)}
    for name in theirs + others[1:]:
        (tmp_path / name).unlink()
    assert locate(str(tmp_path / "weights.pt")) == (str(tmp_path / "weights.pt"), str(tmp_path))
    (tmp_path / "config.json").unlink()
    assert locate(str(tmp_path / "weights.pt"))[1] is None


def test_what_a_trainer_saves_besides_is_no_model(tmp_path: Path) -> None:
    for name in ("weights.pt", "optimizer.pt", "scaler.pt", "rng_state.pth", "rng_state_1.pth"):
        torch.save({"w": torch.ones(2)}, tmp_path / name)
    assert locate(str(tmp_path))[0] == str(tmp_path / "weights.pt")


def test_folders_without_a_single_checkpoint(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "no-checkpoint"
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    assert code_of(tmp_path) == "ambiguous-checkpoint"
    unet = tmp_path / "pipeline" / "unet"
    unet.mkdir(parents=True)
    safetensors.torch.save_file({"w": torch.ones(2)}, unet / "diffusion_pytorch_model.safetensors")
    (unet.parent / "model_index.json").write_text("{}")
    with pytest.raises(CheckpointError, match="unet"):
        open_checkpoint(str(unet.parent))
    with open_checkpoint(str(unet)) as checkpoint:
        assert checkpoint.names() == ["w"]


def test_what_is_no_checkpoint_file(tmp_path: Path) -> None:
    contents = {
        "text.bin": (b"hello", "unknown-format"),
        "empty.bin": (b"", "truncated"),
        "lfs.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "lfs-pointer"),
    }
    for name, (content, code) in contents.items():
        (tmp_path / name).write_bytes(content)
        assert code_of(tmp_path / name) == code
    assert code_of(tmp_path / "missing.safetensors") == "not-found"
    assert code_of(tmp_path / "missing\0.safetensors") in ("not-found", "unreadable")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    assert code_of(tmp_path / "model.safetensors") == "not-a-file"


@pytest.fixture(params=["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"])
def cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub cache where the named variable puts it."""
    below = {
        "HF_HUB_CACHE": "",
        "HF_HOME": "hub",
        "XDG_CACHE_HOME": "huggingface/hub",
        "HOME": ".cache/huggingface/hub",
    }
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(request.param, str(tmp_path))
    return tmp_path / below[request.param]


def snapshot(cache: Path, commit: str, value: float) -> Path:
    """A repository in the cache as huggingface_hub lays it out: blobs, and links to them."""
    repository = cache / "models--org--name"
    blob = repository / "blobs" / commit
    blob.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({"w": torch.full((2,), value)}, blob)
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "model.safetensors").symlink_to(os.path.relpath(blob, folder))
    return folder


def test_hub_ids_are_found_where_huggingface_hub_finds_them(cache: Path) -> None:
    assert code_of("org/name") == "not-in-cache"
    first, second = snapshot(cache, "a" * 40, 1.0), snapshot(cache, "b" * 40, 2.0)
    os.utime(first, (1, 1))
    assert locate("org/name")[0] == str(second / "model.safetensors")
    (cache / "models--org--name" / "refs").mkdir()
    (cache / "models--org--name" / "refs" / "main").write_text("a" * 40)
    assert snapshot_download("org/name", cache_dir=cache, local_files_only=True) == str(first)
    with open_checkpoint("org/name") as checkpoint:
        assert checkpoint.read("w").tolist() == [1.0, 1.0]
    with pytest.raises(LocalEntryNotFoundError):
        snapshot_download("org/other", cache_dir=cache, local_files_only=True)
    assert code_of("org/other") == "not-in-cache"
    assert code_of("../name") == "not-found"

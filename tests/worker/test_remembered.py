"""A checkpoint that was measured before: read from the cache, and of a changed one only what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bitlens import kept_reports, measuring
from bitlens.measurement import Report
from bitlens.measuring import Options
from bitlens.worker import remembered, stored, stream
from bitlens.worker.checkpoints.safetensors import SafetensorsFile
from bitlens.worker.wire import Job
from safetensors.torch import save_file

SHARDS = ("one.safetensors", "two.safetensors")


def shard(path: Path, names: str, seed: int) -> None:
    torch.manual_seed(seed)
    save_file({f"{name}.weight": torch.randn(64, 96) for name in names}, path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name, letters in zip(SHARDS, ("ab", "cd"), strict=True):
        shard(folder / name, letters, 0)
    places = dict(zip(("a.weight", "b.weight", "c.weight", "d.weight"), sorted(SHARDS * 2), strict=True))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the tensors whose values were read."""
    names: list[str] = []
    original = SafetensorsFile.read

    def noted(file: SafetensorsFile, name: str) -> torch.Tensor:
        names.append(name)
        return original(file, name)

    monkeypatch.setattr(SafetensorsFile, "read", noted)
    yield names


def events_of(folder: Path, cache: Path) -> list[dict]:
    events: list[dict] = []
    job = Job(
        "checkpoint", ("quanto.qint8", "float16"), "cpu", file=str(folder), name="net", cache=str(cache)
    )
    stored.measure(job, stream.Stream(job, events.append), "cpu")
    return events


def test_only_the_shard_that_changed_is_read(folder: Path, tmp_path: Path, read: list[str]) -> None:
    cache = tmp_path / "cache"
    first = events_of(folder, cache)
    assert sorted(read) == ["a.weight", "b.weight", "c.weight", "d.weight"]
    read.clear()
    assert events_of(folder, cache) == first and not read
    shard(folder / SHARDS[1], "cd", 1)
    again = events_of(folder, cache)
    assert sorted(read) == ["c.weight", "d.weight"]
    assert again == events_of(folder, tmp_path / "empty") and again != first


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b'{"stamp": 1}', b'{"stamp": [], "sums": {"a": [1]}}', b"\x80"]
)
def test_what_cannot_be_read_is_ignored_and_replaced(
    garbage: bytes, folder: Path, tmp_path: Path, read: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = events_of(folder, cache)
    for file in cache.iterdir():
        file.write_bytes(garbage)
    read.clear()
    assert events_of(folder, cache) == first and len(read) == 4
    read.clear()
    assert events_of(folder, cache) == first and not read


def test_the_folder_is_bounded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "BOUND", 1)
    events_of(folder, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Targets that were really measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    targets: list[str] = []
    original = measuring.measure

    def noted(target: str, *rest: object) -> Report:
        targets.append(target)
        return original(target, *rest)

    monkeypatch.setattr(measuring, "measure", noted)
    return targets


def test_a_report_is_kept_until_a_file_changes(folder: Path, tmp_path: Path, runs: list[str]) -> None:
    first = kept_reports.measure(str(folder), Options())
    assert kept_reports.measure(str(folder), Options()) == first and len(runs) == 1
    kept_reports.measure(str(folder), Options(schemes=("float16",)))
    assert len(runs) == 2
    [*_, kept] = (tmp_path / "home").rglob("*.json.gz")
    kept.write_bytes(b"not gzip")
    shard(folder / SHARDS[0], "ab", 2)
    assert kept_reports.measure(str(folder), Options()) != first and len(runs) == 3


def test_a_file_that_is_new_in_the_folder_counts(folder: Path, runs: list[str]) -> None:
    """It may be the weights that the libraries take now, or the config.json that names the class."""
    first = kept_reports.measure(str(folder), Options())
    shard(folder / "model.safetensors", "e", 0)
    assert kept_reports.measure(str(folder), Options()) != first and len(runs) == 2


@pytest.mark.parametrize("id", ["org/net", "net"])
def test_a_report_on_a_model_of_the_hub_cache_is_kept_until_it_is_fetched_anew(
    id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    """In the layout of huggingface_hub: links in the folder of a commit, which refs/main names."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / f"models--{id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    for seed, commit in enumerate(("old", "new")):
        (repository / "snapshots" / commit).mkdir(parents=True)
        blob = tmp_path / f"blob-{commit}"
        shard(blob, "ab", seed)
        (repository / "snapshots" / commit / "model.safetensors").symlink_to(blob)
    (repository / "refs" / "main").write_text("old")
    first = kept_reports.measure(id, Options())
    assert [model.name for model in first.models] == [id]
    assert kept_reports.measure(id, Options()) == first and len(runs) == 1
    (repository / "refs" / "main").write_text("new")
    assert kept_reports.measure(id, Options()) != first and len(runs) == 2

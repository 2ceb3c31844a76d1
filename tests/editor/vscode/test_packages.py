"""The two packages that `make vsix` left: what is in them, and what is not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import bitlens
import pytest


@pytest.fixture(params=["universal", "extension"])
def package(request: pytest.FixtureRequest) -> zipfile.ZipFile:
    file: Path = request.getfixturevalue(request.param)
    return zipfile.ZipFile(file)


def test_only_what_runs_is_packaged(package: zipfile.ZipFile) -> None:
    unwanted = (".map", ".ts", ".pyc", ".npmrc")
    with package:
        names = package.namelist()
    assert not [name for name in names if name.endswith(unwanted)]
    assert not [
        name for name in names if {"node_modules", "tests", "test", "src"} & set(name.split("/")[:-1])
    ]


def test_the_version_is_that_of_the_python_package(package: zipfile.ZipFile) -> None:
    with package:
        described = json.loads(package.read("extension/package.json"))
        wheels = [name for name in package.namelist() if name.endswith(".whl")]
    assert described["version"] == bitlens.__version__
    assert wheels == [f"extension/bundled/bitlens-{bitlens.__version__}-py3-none-any.whl"]


def test_the_universal_package_has_no_compiled_parts(universal: Path) -> None:
    with zipfile.ZipFile(universal) as package:
        assert not [name for name in package.namelist() if name.endswith((".so", ".pyd", ".dylib"))]


def test_the_platform_package_serves_every_python_that_it_names(extension: Path) -> None:
    with zipfile.ZipFile(extension) as package:
        pythons = json.loads(package.read("extension/bundled/pythons.json"))
        compiled = [name for name in package.namelist() if "/libcst/native.cpython-" in name]
    assert pythons
    wanted = {f"cpython-{version.replace('.', '')}" for version in pythons}
    assert {name.rpartition("native.")[2].rsplit("-", 3)[0] for name in compiled} == wanted

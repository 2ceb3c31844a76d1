"""The two packages that `make vsix` left: what is in them, and what is not."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import bitlens
import pytest
from editor.vscode.conftest import TOOLS

LOADED = """
const Module = require("node:module"), load = Module._load, seen = [];
const stub = new Proxy(class {}, { get: (target, key) => key === "prototype" ? target.prototype : stub });
Module._load = (name, ...rest) => { seen.push(name); return name === "vscode" ? stub : load(name, ...rest); };
require(process.argv[1]);
console.log(JSON.stringify(seen.slice(1)));
"""


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


def test_activation_loads_nothing_but_our_own_code(universal: Path, tmp_path: Path) -> None:
    """The client library, nine tenths of all code, is read when a server starts."""
    with zipfile.ZipFile(universal) as package:
        package.extractall(tmp_path)
    node = TOOLS / "node_modules" / ".bin" / "node"
    command = [node, "-e", LOADED, tmp_path / "extension" / "dist" / "extension.js"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = json.loads(ended.stdout)
    assert "vscode" in loaded
    assert not [name for name in loaded if name != "vscode" and not name.startswith("node:")]
    assert (tmp_path / "extension" / "dist" / "client.js").exists()

"""The invariants of ARCHITECTURE.md that can be asked of the tree itself."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bitlens
import pytest

PACKAGE = Path(bitlens.__file__).parent
USER_PROCESS = [PACKAGE / "__init__.py", *sorted(
    file for room in ("worker", "schemes", "backends") for file in (PACKAGE / room).rglob("*.py")
)]  # fmt: skip
TRITON = {PACKAGE / "worker/kernels" / name for name in ("arithmetic.py", "device.py", "formulas.py")}
"""Loaded by a function, and only where triton is."""
HEAVY = {"torch", "transformers", "numpy", "safetensors", "gguf", "rich", "pygls", "lsprotocol"}


def imports(file: Path, at_load: bool = False) -> Iterator[str]:
    """Absolute names of what a file imports, in functions too unless `at_load`; nothing for types only."""
    waiting: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif not (at_load and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
            waiting += ast.iter_child_nodes(node)


def id_of(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize(
    "door", ["bitlens.cli", "bitlens.cli.analyze", "bitlens.analysis", "bitlens.measuring"]
)
def test_the_front_doors_load_neither_torch_nor_a_terminal_library(door: str) -> None:
    """What is loaded is asked of a fresh interpreter, so nothing that this test process has loaded counts."""
    code = f"import sys, {door}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert HEAVY.isdisjoint(loaded)


def test_help_loads_no_parser_of_source() -> None:
    code = "import sys; from bitlens.cli.arguments import parse; parse([]); print('libcst' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("file", USER_PROCESS, ids=id_of)
def test_what_runs_in_the_users_interpreter_loads_the_standard_library_and_torch_alone(file: Path) -> None:
    """A function may ask for more where the model needs it, e.g. the class that a config.json names."""
    ours = {"bitlens", "bitlens.worker", "bitlens.schemes", "bitlens.backends"}
    for name in imports(file, at_load=True):
        top = name.partition(".")[0]
        if top == "bitlens":
            assert ".".join(name.split(".")[:2]) in ours, f"{name} does not exist where a model is built"
        else:
            allowed = {"torch", "triton"} if file in TRITON else {"torch"}
            assert top in sys.stdlib_module_names or top in allowed, f"{name} is not there for every user"


@pytest.mark.parametrize("file", sorted((PACKAGE / "schemes").rglob("*.py")), ids=id_of)
def test_a_scheme_is_readable_without_torch(file: Path) -> None:
    assert "torch" not in {name.partition(".")[0] for name in imports(file)}


def test_only_the_command_line_draws() -> None:
    drawing = {
        id_of(file) for file in PACKAGE.rglob("*.py") if any(n.startswith("rich") for n in imports(file))
    }
    assert drawing
    assert all(name.startswith("cli/") for name in drawing)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=id_of)
def test_the_analyzer_knows_no_editor(file: Path) -> None:
    assert {"bitlens_server", "pygls", "lsprotocol"}.isdisjoint(
        name.partition(".")[0] for name in imports(file)
    )


def python39() -> str | None:
    """An interpreter of the oldest version that a user may have, or None."""
    for name in ("python3.9", *map(str, Path.home().glob(".pyenv/versions/3.9.*/bin/python"))):
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    return None


OLDEST_USER = """
import importlib, sys
from unittest.mock import MagicMock

sys.path.insert(0, sys.argv[1])
sys.modules.update({name: MagicMock(__file__=name) for name in sys.argv[2].split(",")})
for name in sys.argv[3].split(","):
    importlib.import_module(name)
"""


def test_what_runs_in_the_users_interpreter_loads_on_python_3_9() -> None:
    """torch itself is not there: what counts is our syntax and what our modules do when they are loaded."""
    python = python39()
    if python is None:
        pytest.skip("no Python 3.9 on this machine")
    modules = [
        ".".join(("bitlens", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for file in USER_PROCESS
        if file.name != "__main__.py"
    ]
    torch = {
        "torch",
        *(name for file in USER_PROCESS for name in imports(file) if name.startswith(("torch.", "triton"))),
    }
    command = [python, "-B", "-c", OLDEST_USER, str(PACKAGE.parent), ",".join(torch), ",".join(modules)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr

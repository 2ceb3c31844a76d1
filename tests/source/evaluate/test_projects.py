"""Programs of several files: what an import means where."""

import ast
from pathlib import Path

import pytest
from bitlens.source.evaluate import evaluate
from bitlens.source.evaluate.compile_statements import Statements
from bitlens.source.evaluate.compiler import Action


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


LAYERS = """
from torch import nn

class Swish(nn.Module):
    def __init__(self):
        super(Swish, self).__init__()
        self.scale = nn.Linear(2, 3)
"""


def test_a_class_imported_with_a_star_is_one_class(tmp_path: Path) -> None:
    """`super(Swish, self)` in one file means the class that another file got with a star."""
    write(tmp_path, {"layers.py": LAYERS, "every.py": "from layers import *\n"})
    text = "from every import *\nfirst = Swish()\nfrom layers import Swish as Same\nsecond = Same()\n"
    write(tmp_path, {"net.py": text})
    for root in ("first", "second"):
        made = evaluate(tmp_path / "net.py", root)
        assert [module.path for module in made.modules] == ["", "scale"]
        assert not made.problems


def test_imports_are_looked_for_up_to_the_project(tmp_path: Path) -> None:
    """A file below the folder with the packaging file imports from that folder, as when run from there."""
    write(
        tmp_path, {"pyproject.toml": "", "layers.py": LAYERS, "models/net.py": "from layers import Swish\n"}
    )
    made = evaluate(tmp_path / "models" / "net.py", "Swish()")
    assert {line.file for line in made.lines} == {str(tmp_path / "layers.py")}


def test_what_the_root_expression_creates_stands_on_no_line(tmp_path: Path) -> None:
    write(tmp_path, {"net.py": "from torch import nn\n\ndef wrap(part):\n    return nn.Sequential(part)\n"})
    made = evaluate(tmp_path / "net.py", "wrap(nn.Linear(2, 3))")
    assert [module.path for module in made.modules] == ["", "0"]
    assert all("0" not in line.paths for line in made.lines)


def test_files_outside_the_project_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"secret.json": '{"n": 3}', "project/pyproject.toml": ""})
    text = "import json\nfrom torch import nn\nlayer = nn.Linear(json.load(open('../secret.json'))['n'], 1)\n"
    write(tmp_path, {"project/net.py": text})
    made = evaluate(tmp_path / "project" / "net.py", "layer")
    assert made.modules[0].parameters[0].elements is None


def test_a_file_beside_one_program_is_not_installed_for_the_next(tmp_path: Path) -> None:
    """Two programs have a module of one name, the first of them inside an installed package's folder."""
    site = tmp_path / "site"
    write(site, {"package/layers.py": LAYERS, "package/net.py": "import layers\n"})
    write(tmp_path, {"own/pyproject.toml": "", "own/layers/parts.py": LAYERS})
    write(tmp_path, {"own/net.py": "from layers.parts import Swish\n"})
    evaluate(site / "package" / "net.py", "layers.Swish()", search_paths=[site])
    made = evaluate(tmp_path / "own" / "net.py", "Swish()", search_paths=[site])
    assert [module.path for module in made.modules] == ["", "scale"]


REGISTRY = """
from torch import nn

known, names, default = {}, set(), nn.Linear

class Registry:
    count = 0

    def __init__(self):
        self.last = None

    def register(self, function):
        known[function.__name__] = function
        names.add(function.__name__)
        self.last, Registry.count = function, Registry.count + 1
        return function

registry = Registry()

@registry.register
def small():
    return nn.Sequential(*[default(2, 2) for _ in range(Registry.count)], registry.last and nn.ReLU())

def create(name):
    return nn.Sequential(known[name](), *[nn.Identity() for _ in names])
"""
REGISTERED = """
import zoo
from torch import nn

@zoo.registry.register
def small():
    return nn.Conv2d(1, 1, 1)

@zoo.registry.register
def mine():
    return nn.Conv2d(1, 1, 1)

zoo.default = nn.Bilinear
nn.ReLU.__init__ = None
model = zoo.create("mine")
"""


def test_what_one_program_changes_in_a_library_is_as_it_was_for_the_next(tmp_path: Path) -> None:
    """A program that registers its models with a library, and replaces the library's own, changes nothing for
    another program, in whatever order the library was read."""
    site = tmp_path / "site"
    write(site, {"zoo/__init__.py": REGISTRY})
    write(tmp_path, {"a/net.py": REGISTERED, "b/net.py": "import zoo\nmodel = zoo.create('small')\n"})
    for name in "abab":
        made = evaluate(tmp_path / name / "net.py", "model", search_paths=[site])
        kinds = [module.type.rpartition(".")[2] for module in made.modules]
        expected = {
            "a": ["Sequential", "Conv2d", "Identity", "Identity"],
            "b": ["Sequential", "Sequential", "Linear", "ReLU", "Identity"],
        }
        assert kinds == expected[name] and not made.problems


def test_eval_at_the_top_of_a_file_finds_what_a_star_imported(tmp_path: Path) -> None:
    write(tmp_path, {"layers.py": LAYERS, "net.py": "from layers import *\nmodel = eval('Swish')()\n"})
    made = evaluate(tmp_path / "net.py", "model")
    assert [module.path for module in made.modules] == ["", "scale"]


def test_a_module_that_replaces_itself_is_what_an_import_gives(tmp_path: Path) -> None:
    """And only for the program that did so: the next one finds modules again."""
    lazy = "import sys\n\n\nclass Lazy:\n    width = 3\n\n\nsys.modules[__name__] = Lazy()\n"
    write(tmp_path, {"lazy.py": lazy, "other.py": "from torch import nn\n\nlayer = nn.Linear(4, 5)\n"})
    text = (
        "import lazy\nfrom lazy import width\nfrom torch import nn\n\nlayer = nn.Linear(width, lazy.width)\n"
    )
    write(tmp_path, {"net.py": text})
    for file, parameters in (("net.py", 12), ("other.py", 25), ("net.py", 12)):
        made = evaluate(tmp_path / file, "layer")
        assert sum(p.elements or 0 for p in made.modules[0].parameters) == parameters


LAZY = """
import sys
from typing import TYPE_CHECKING

from .utils import _LazyModule

if TYPE_CHECKING:
    try:
        import torch
    except ImportError:
        from .utils.stand_ins import *
    else:
        from .models.deep import Net
else:
    sys.modules[__name__] = _LazyModule(__name__, globals()["__file__"], {"models.deep": ["Net"]})
"""


def test_a_package_that_fills_itself_says_where_its_members_are(tmp_path: Path) -> None:
    """Not in the file of stand-ins that is nearer, in which a class of that name stands too."""
    stand_in = "class Net:\n    def __init__(self, *args):\n        raise ImportError('torch')\n"
    net = LAYERS.replace("Swish", "Net")
    write(tmp_path, {"pack/__init__.py": LAZY, "pack/utils/__init__.py": "class _LazyModule: ...\n"})
    write(
        tmp_path,
        {"pack/utils/stand_ins.py": stand_in, "pack/models/deep.py": net, "pack/models/__init__.py": ""},
    )
    made = evaluate(write(tmp_path, {"net.py": "import pack\nmodel = pack.Net()\n"}) / "net.py", "model")
    assert [module.path for module in made.modules] == ["", "scale"]


def test_two_roots_of_one_file_read_its_imports_once_until_somebody_edits_them(tmp_path: Path) -> None:
    """What the first root does to them is not there for the second one."""
    layers = "from torch import nn\nwidths = []\n\ndef layer(width):\n    widths.append(width)\n"
    layers += "    return nn.Linear(2, sum(widths), bias=False)\n"
    net = "from layers import layer\n\ndef a():\n    return layer(3)\n\ndef b():\n    return layer(4)\n"
    file = write(tmp_path, {"layers.py": layers, "net.py": net}) / "net.py"

    def size(root: str, text: str | None = None) -> int | None:
        return evaluate(file, root, text=text).modules[0].parameters[0].elements

    assert [size("a()"), size("b()"), size("b()")] == [6, 8, 8]
    write(tmp_path, {"layers.py": layers.replace("(2,", "(5,")})
    assert [size("a()"), size("b()", net.replace("4", "6")), size("b()")] == [15, 30, 20]


def test_a_second_root_compiles_nothing_of_the_first_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    statement = Statements.statement
    file = write(tmp_path, {"layers.py": LAYERS, "net.py": "from layers import *\n"}) / "net.py"
    first = evaluate(file, "Swish")

    def counted(self: Statements, node: ast.stmt) -> Action:
        compiled.append(node.lineno)
        return statement(self, node)

    monkeypatch.setattr(Statements, "statement", counted)
    assert evaluate(file, "Swish") == first
    assert not compiled

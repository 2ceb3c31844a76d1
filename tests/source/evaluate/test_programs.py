# ruff: noqa: E501 (one row a line)
"""Whole programs, evaluated and really run: the same modules, tensors, ties, dtypes and lines."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from bitlens.source.evaluate import Construction, evaluate, roots, to_model
from torch import nn

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


class Recorder:
    """Notes for each module the line of the program that was being executed when it was made."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)
        self.lines: dict[int, int] = {}
        self.alive: list[nn.Module] = []

    def made(self, module: nn.Module) -> None:
        """Called in `nn.Module.__init__`: the constructors of `module` itself, and what chooses its class, are
        left first."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and (frame.f_code.co_filename != self.file or constructs(frame, module)):
            frame = frame.f_back
        if frame is not None:
            self.lines.setdefault(id(module), frame.f_lineno)
        self.alive.append(module)


def constructs(frame: FrameType, module: nn.Module) -> bool:
    given = frame.f_locals.get("args", ())
    if frame.f_code.co_name == "__new__":
        return True
    return frame.f_locals.get("self") is module or (
        isinstance(given, tuple) and any(a is module for a in given)
    )


def run(file: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, dict[str, int]]:
    recorder, original = Recorder(file), nn.Module.__init__

    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        recorder.made(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__init__", init)
    namespace: dict[str, Any] = {"__name__": "program", "__file__": str(file)}
    # A dataclass looks its module up by name.
    monkeypatch.setitem(sys.modules, "program", type(sys)("program"))
    exec(compile(file.read_text("utf-8"), str(file), "exec"), namespace)
    model: nn.Module = namespace["model"]
    lines = {
        path: recorder.lines[id(m)] for path, m in model.named_modules() if path and id(m) in recorder.lines
    }
    return model, lines


def tensors_of(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield prefix + name, tensor


def described(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    seen: dict[int, str] = {}
    result = {}
    for name, tensor in tensors_of(model):
        tied = seen.get(id(tensor))
        seen.setdefault(id(tensor), name)
        result[name] = (tuple(tensor.shape), str(tensor.dtype)[6:], tensor.requires_grad, tied)
    return result


def evaluated(construction: Construction) -> dict[str, tuple[Any, ...]]:
    return {
        f"{m.path}.{t.name}".lstrip("."): (t.shape, t.dtype, t.requires_grad, t.tied_to)
        for m in construction.modules
        for t in m.parameters
    } | {
        f"{m.path}.{t.name}".lstrip("."): (t.shape, t.dtype, False, t.tied_to)
        for m in construction.modules
        for t in m.buffers
    }


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")  # torch about its own fast path
@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.stem)
def test_a_program(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    construction = evaluate(file, "model")
    model, lines = run(file, monkeypatch)
    assert construction.problems == ()
    assert [(m.path, m.type) for m in construction.modules] == [
        (p, type(m).__name__) for p, m in model.named_modules()
    ]
    assert evaluated(construction) == described(model)
    found = {module.path: module.line for module in construction.modules if module.path in lines}
    assert found == lines
    assert {line.certainty for line in construction.lines} == {"exact"}
    for line in construction.lines:
        below = {id(p): p for path in line.paths for p in model.get_submodule(path).parameters()}
        assert line.parameters == sum(p.numel() for p in below.values())
        assert line.bytes == sum(p.numel() * p.element_size() for p in below.values())
    measured = to_model(construction)
    assert measured.parameters == sum(p.numel() for p in model.parameters())
    assert measured.bytes == sum(p.numel() * p.element_size() for p in model.parameters())
    assert measured.buffer_bytes == sum(b.numel() * b.element_size() for b in model.buffers())


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.stem)
def test_the_root_is_found(file: Path) -> None:
    assert roots(file).chosen == ("model",)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "net.py"
    file.write_text("import torch\nfrom torch import nn\n" + text)
    return file


NET = """
class Block(nn.Module):
    def __init__(self, hidden: int, bias=True):
        super().__init__()
        self.up = nn.Linear(hidden, 4 * hidden, bias=bias)

class Net(nn.Module):
    def __init__(self, hidden: int, layers=2):
        super().__init__()
        self.blocks = nn.ModuleList([Block(hidden) for _ in range(layers)])

def small(): return Net(2, layers=1)
"""


def test_roots_are_what_nothing_else_builds(tmp_path: Path) -> None:
    """`small` is a function that anyone can call; what takes an argument or gives nothing back is none."""
    alone = roots(write(tmp_path, NET.replace("def small(): return Net(2, layers=1)", "")))
    assert alone.chosen == alone.unused == ("Net",)
    more = "def wide(n, k=2): return Net(n * k)\ndef tried(): print(small())\ndef same(): return small()\n"
    found = roots(write(tmp_path, NET + more))
    assert (found.unused, found.factories, found.classes) == ((), ("small", "same"), ("Block", "Net"))


def test_sizes_without_value_are_formulas(tmp_path: Path) -> None:
    construction = evaluate(write(tmp_path, NET), "Net")
    weight = next(t for m in construction.modules for t in m.parameters if t.name == "weight")
    assert (weight.shape, weight.formula, weight.elements) == (("4·hidden", "hidden"), "4·hidden²", None)
    assert {line.certainty for line in construction.lines} == {"unknown"}
    assert to_model(construction).problems[-1].code == "unknown-size"


@pytest.mark.parametrize(
    ("root", "parameters"),
    [("small()", 24), ("small", 24), ("Net(3, layers=3)", 144), ("Block(2, bias=False)", 16)],
)
def test_expressions_as_root(tmp_path: Path, root: str, parameters: int) -> None:
    assert to_model(evaluate(write(tmp_path, NET), root)).parameters == parameters


def test_an_undecided_test_marks_both_sides(tmp_path: Path) -> None:
    text = "import os\nclass Net(nn.Module):\n    def __init__(self, fast):\n        super().__init__()\n"
    text += "        if fast:\n            self.x = nn.Linear(1, 2)\n        else:\n            self.x = nn.Linear(1, 3)\n"
    text += "        self.y = nn.Linear(1, 1)\n"
    construction = evaluate(write(tmp_path, text), "Net")
    assert [(line.line, line.paths, line.certainty) for line in construction.lines] == [
        (8, ("x",), "range"),
        (10, ("x",), "range"),
        (11, ("y",), "exact"),
    ]


def test_a_configuration_file(tmp_path: Path) -> None:
    site = Path(nn.__file__).parents[2]
    file = site / "transformers/models/llama/modeling_llama.py"
    values = {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100, "intermediate_size": 96}
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**values))
    construction = evaluate(file, "LlamaForCausalLM", config=values)
    assert evaluated(construction) == described(model)

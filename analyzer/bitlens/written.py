"""What one line alone says: the size of each layer of torch.nn whose sizes are written out where it is made.

For lines that no model of the file reaches: any function, also one that nothing calls.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Container
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from bitlens.measurement import Layer, Line
from bitlens.numbers import Numbers
from bitlens.problems import BitlensError
from bitlens.source.evaluate import evaluate, to_model
from bitlens.source.imports import Names, names_of
from bitlens.source.program import Program
from bitlens.source.torch_names import WITH_PARAMETERS

_DTYPE = re.compile(r"torch\.(b?float\d+|half|double|float|complex\d+)")
_NAME = "made"
_OURS = WITH_PARAMETERS | {"set_default_dtype"}


def written_numbers(program: Program, known: Container[int]) -> Numbers | None:
    """The layers with written sizes on lines (from 1) that are not `known`, in the file's default dtype;
    None where there are none.

    Each call counts once, however often its line runs. One whose layer is converted at once (`.half()`) is
    left out. A name that is imported under another one is found through the import alone: `L(3, 4)` is not.
    """
    names = names_of(node for statement in program.source.statements for node in statement.nodes)
    made: dict[int, list[str]] = defaultdict(list)
    default = ""
    for statement in program.source.statements:
        for node in statement.nodes:
            for call in _calls(node):
                line = call.lineno + statement.line - 1
                text = _written(call, names)
                if text is not None and line not in known:
                    made[line].append(text)
                elif _meaning(call.func, names) == "torch.set_default_dtype":
                    default = (_argument(call.args[0], names) if call.args else None) or ""
    return _evaluated(program.path, dict(made), default) if made else None


def _evaluated(path: Path, made: dict[int, list[str]], default: str) -> Numbers | None:
    """The layers as a program of their own, one line for each of theirs."""
    lines = sorted(made)
    setting = f"torch.set_default_dtype({default})" if default else ""
    rows = (", ".join(made[line]) + "," for line in lines)
    text = "\n".join([f"import torch; {setting}", f"{_NAME} = torch.nn.ModuleList([", *rows, "])\n"])
    try:
        model = to_model(evaluate(path.with_name("written.py"), _NAME, text=text))
    except BitlensError:
        return None
    file = str(path.absolute())

    def placed(item: Layer | Line) -> int | None:
        at = (item.line or 0) - 3
        return lines[at] if 0 <= at < len(lines) else None

    layers = tuple(replace(one, file=file, line=line) for one in model.layers if (line := placed(one)))
    found = tuple(replace(one, file=file, line=line) for one in model.lines if (line := placed(one)))
    whole = replace(model, name="", class_="", file=None, line=None, layers=layers, lines=found)
    return Numbers(whole, "static")


@lru_cache(maxsize=8192)
def _calls(node: ast.AST) -> tuple[ast.Call, ...]:
    """Calls of a statement that may be about us; kept, since most statements stay when people type."""
    calls = [child for child in ast.walk(node) if isinstance(child, ast.Call)]
    cast = {id(call.func.value) for call in calls if isinstance(call.func, ast.Attribute)}
    return tuple(call for call in calls if _last(call.func) in _OURS and id(call) not in cast)


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _written(call: ast.Call, names: Names) -> str | None:
    """The call with full names, if it makes a layer with parameters from values that stand there."""
    dotted = _meaning(call.func, names)
    if not dotted.startswith("torch.nn.") or dotted.rpartition(".")[2] not in WITH_PARAMETERS:
        return None
    given = [_argument(value, names) for value in call.args]
    named = [(keyword.arg, _argument(keyword.value, names)) for keyword in call.keywords]
    if not (given or named) or None in given or any(name is None or text is None for name, text in named):
        return None
    arguments = [*(text or "" for text in given), *(f"{name}={text}" for name, text in named)]
    return f"{dotted}({', '.join(arguments)})"


def _argument(node: ast.expr, names: Names) -> str | None:
    """A literal, or a dtype of torch, as text; None for what only running the program tells."""
    dotted = _meaning(node, names)
    if _DTYPE.fullmatch(dotted):
        return dotted
    try:
        return repr(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _meaning(node: ast.expr, names: Names) -> str:
    return names.dotted(node) or ""

"""Statements and contexts that reach models without naming them: default dtypes, seeds, whether gradients are
recorded."""

from __future__ import annotations

import ast
import re

from bitlens.source.knowledge import Knowledge
from bitlens.source.slicing.scopes import Atom

_GRAD_MODE = re.compile(
    r"^torch\.(autograd\.(grad_mode\.)?)?(no_grad|inference_mode|enable_grad|set_grad_enabled)$"
)
_GLOBAL = re.compile(
    r"^(torch\.(set_default_\w+|manual_seed|set_default_device|set_num_threads|use_deterministic_algorithms)"
    r"|torch\.cuda\.manual_seed(_all)?|numpy\.random\.seed|random\.seed|transformers\.set_seed|transformers\.enable_full_determinism"
    r"|lightning\.seed_everything|pytorch_lightning\.seed_everything|sys\.path\.(append|insert|extend)"
    r"|torch\.(autograd\.(grad_mode\.)?)?set_grad_enabled|torch\.backends\.quantized\.engine|os\.environ|os\.chdir"
    r"|accelerate\.utils\.set_seed)"
)


def is_grad_mode(node: ast.expr, knowledge: Knowledge) -> bool:
    """`torch.no_grad()` and its siblings, called or as a plain decorator."""
    func = node.func if isinstance(node, ast.Call) else node
    return _GRAD_MODE.match(knowledge.names.dotted(func) or "") is not None


def grad_modes(node: ast.stmt, knowledge: Knowledge) -> list[ast.expr]:
    """The contexts of a `with` that say whether gradients are recorded."""
    if not isinstance(node, (ast.With, ast.AsyncWith)):
        return []
    return [item.context_expr for item in node.items if is_grad_mode(item.context_expr, knowledge)]


def is_global_setting(atom: Atom, knowledge: Knowledge) -> bool:
    """Default dtype and device, seeds, search path, environment, and such contexts in an `ExitStack`."""
    node = atom.node
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value
        if isinstance(call.func, ast.Attribute) and call.func.attr == "enter_context" and call.args:
            return is_grad_mode(call.args[0], knowledge)
        dotted = knowledge.names.dotted(call.func)
        return dotted is not None and _GLOBAL.match(dotted) is not None
    if isinstance(node, ast.Assign):
        targets = [t.value if isinstance(t, ast.Subscript) else t for t in node.targets]
        return any(_GLOBAL.match(knowledge.names.dotted(t) or "") is not None for t in targets)
    return False

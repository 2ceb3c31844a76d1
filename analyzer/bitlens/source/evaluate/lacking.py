"""What a module may hold that the source does not tell."""

from __future__ import annotations

import ast
import weakref

from bitlens.source.evaluate.callables import Function
from bitlens.source.evaluate.values import ClassValue, ModuleInstance, Unknown
from bitlens.source.tree import walk

_CALLED: weakref.WeakKeyDictionary[ClassValue, frozenset[str]] = weakref.WeakKeyDictionary()


_MAKING = frozenset(
    ["append", "extend", "insert", "update", "setattr", "add_module", "register_module", "register_parameter"]
)


def makes(statement: ast.stmt) -> bool:
    """Whether a statement may put something into a module, or gives back what its caller does."""
    return any(_makes(node) for node in walk(statement))


def _makes(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in _MAKING
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) for one in targets)
    return isinstance(node, ast.Return) and node.value is not None


def lacking(module: ModuleInstance) -> Unknown | None:
    """A child that is not known, or an unknown attribute that the class calls and that so may be a layer."""
    unknown = [value for value in module.modules.values() if isinstance(value, Unknown)]
    maybe = [name for name, value in module.attrs.items() if isinstance(value, Unknown)]
    if not unknown and maybe:
        unknown = [module.attrs[name] for name in maybe if _calls(module.cls, name)]
    if not unknown:
        return None
    return next((value for value in unknown if value.why), Unknown("a layer that the source does not tell"))


def _calls(cls: ClassValue, name: str) -> bool:
    return any(name in _called(base) for base in cls.mro if isinstance(base, ClassValue))


def _called(cls: ClassValue) -> frozenset[str]:
    """The attributes that the methods of a class call on their first argument."""
    found = _CALLED.get(cls)
    if found is None:
        methods = [value for value in cls.ns.values() if isinstance(value, Function) and value.code.args]
        found = _CALLED[cls] = frozenset(
            node.func.attr
            for method in methods
            for node in walk(method.code.node)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == method.code.args[0]
        )
    return found

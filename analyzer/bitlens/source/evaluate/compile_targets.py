"""Assignments and deletions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.compile_expressions import Expressions
from bitlens.source.evaluate.compiler import Action
from bitlens.source.evaluate.scope import Frame


class Targets(Expressions):
    """Compiles what gives values to names, attributes and items."""

    def target(self, node: ast.expr) -> Callable[[Frame, Any], None]:
        """The closure that assigns a value to a target."""
        if isinstance(node, ast.Name):
            return self._name_target(self.private(node.id) if self.scope.is_class else node.id)
        if isinstance(node, ast.Attribute):
            value, name = self.expression(node.value), self.private(node.attr)
            setattr_ = self.machine.setattr
            line = node.lineno + self.offset

            def store(f: Frame, result: Any) -> None:
                target = value(f)
                f.line = line
                setattr_(target, name, result)

            return store
        if isinstance(node, ast.Subscript):
            owner, index, setitem = (
                self.expression(node.value),
                self.expression(node.slice),
                self.machine.setitem,
            )
            return lambda f, result: setitem(owner(f), index(f), result)
        if isinstance(node, ast.Tuple | ast.List):
            return self._unpack(node.elts)
        return lambda f, result: None

    def _name_target(self, name: str) -> Callable[[Frame, Any], None]:
        scope = self.scope
        machine = self.machine
        if name in scope.globals:

            def store_global(f: Frame, result: Any) -> None:
                machine.repetition.changed_anything()
                machine.undoing.attribute(f.module.vars, name)
                f.module.vars[name] = result

            return store_global
        if name in scope.nonlocals:

            def store_outer(f: Frame, result: Any) -> None:
                machine.repetition.changed_anything()
                up = f.up
                while up is not None and name not in up.vars:
                    up = up.up
                (up or f).vars[name] = result

            return store_outer

        def store(f: Frame, result: Any) -> None:
            f.vars[name] = result

        return store

    def _unpack(self, nodes: list[ast.expr]) -> Callable[[Frame, Any], None]:
        starred = next((i for i, node in enumerate(nodes) if isinstance(node, ast.Starred)), None)
        stores = [self.target(node.value if isinstance(node, ast.Starred) else node) for node in nodes]
        machine = self.machine

        def store(f: Frame, result: Any) -> None:
            values = machine.unpack(result, len(stores), starred)
            for target, value in zip(stores, values, strict=False):
                target(f, value)

        return store

    def delete(self, node: ast.Delete) -> Action:
        """The closure of `delete`."""
        actions = [self._deletion(target) for target in node.targets]

        def run(f: Frame) -> Any:
            for action in actions:
                action(f)

        return run

    def _deletion(self, node: ast.expr) -> Action:
        machine = self.machine
        if isinstance(node, ast.Attribute):
            value, name = self.expression(node.value), self.private(node.attr)
            return lambda f: machine.delattr(value(f), name)
        if isinstance(node, ast.Subscript):
            owner, index = self.expression(node.value), self.expression(node.slice)
            return lambda f: machine.delitem(owner(f), index(f))
        if isinstance(node, ast.Name):
            removed = node.id
            return lambda f: f.vars.pop(removed, None) and None
        return lambda f: None

    def assign(self, node: ast.Assign) -> Action:
        """The closure of `assign`."""
        value, targets = self.expression(node.value), [self.target(target) for target in node.targets]
        if len(targets) == 1:
            store = targets[0]
            return lambda f: store(f, value(f))

        def run(f: Frame) -> Any:
            result = value(f)
            for target in targets:
                target(f, result)

        return run

    def annotated(self, node: ast.AnnAssign) -> Action:
        """The closure of `annotated`."""
        store = self.target(node.target) if node.value is not None else None
        value = self.expression(node.value) if node.value is not None else None
        name = node.target.id if isinstance(node.target, ast.Name) else None
        annotation, in_class = node.annotation, self.scope.is_class
        thunk = self.expression(annotation) if in_class else None

        def run(f: Frame) -> Any:
            if in_class and name is not None:
                f.vars.setdefault("__annotations__", {})[name] = (annotation, thunk, f)
            if store is not None and value is not None:
                store(f, value(f))

        return run

    def augmented(self, node: ast.AugAssign) -> Action:
        """The closure of `augmented`."""
        as_load = _as_load(node.target)
        load, value = self.expression(as_load), self.expression(node.value)
        apply, store = self.machine.in_place(type(node.op)), self.target(node.target)
        return lambda f: store(f, apply(load(f), value(f)))


def _as_load(node: ast.expr) -> ast.expr:
    """The target of `+=` as an expression that reads it."""
    if isinstance(node, ast.Name):
        return ast.Name(node.id, ast.Load(), lineno=node.lineno, col_offset=node.col_offset)
    if isinstance(node, ast.Attribute):
        return ast.Attribute(
            node.value, node.attr, ast.Load(), lineno=node.lineno, col_offset=node.col_offset
        )
    if isinstance(node, ast.Subscript):
        return ast.Subscript(
            node.value, node.slice, ast.Load(), lineno=node.lineno, col_offset=node.col_offset
        )
    return node

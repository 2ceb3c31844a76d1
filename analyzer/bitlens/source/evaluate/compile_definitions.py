"""Functions and classes."""

from __future__ import annotations

import ast
from typing import Any, cast

from bitlens.source.evaluate.callables import Code, Function
from bitlens.source.evaluate.compile_targets import Targets
from bitlens.source.evaluate.compiler import Action, Expression
from bitlens.source.evaluate.scope import Frame, class_scope, function_scope


class Definitions(Targets):
    """Compiles definitions; a body is compiled when it is first run."""

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Action:
        """The closure of `function`."""
        known = self.private(node.name) if self.scope.is_class else node.name
        make, store = self.function_value(node, node.name), self._name_target(known)
        decorators = [
            (self.expression(decorator), decorator.lineno + self.offset) for decorator in node.decorator_list
        ]
        machine, name = self.machine, node.name

        def run(f: Frame) -> Any:
            value = make(f)
            machine.decorating(f, name)
            for decorator, line in reversed(decorators):
                value = machine.decorate(decorator, value, f, line)
            store(f, value)

        return run

    def function_value(self, node: Any, name: str) -> Expression:
        """The closure that makes a function; its body is compiled when it is first called."""
        defaults = [self.expression(default) for default in node.args.defaults]
        kw_defaults = [
            (argument.arg, self.expression(default))
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=False)
            if default is not None
        ]
        code = Code(node, name, node.lineno + self.offset)
        offset, machine, outer, owner = self.offset, self.machine, self.scope, self.owner
        compiler = type(self)

        def compile_body(code: Code) -> Action:
            inner = compiler(machine, offset)
            inner.owner = owner
            return inner.function_body(code)

        code.compile = compile_body

        def make(f: Frame) -> Any:
            function = Function(code, f.module, f.up if f.is_class else (None if outer.locals is None else f))
            if defaults:
                function.defaults = [default(f) for default in defaults]
            if kw_defaults:
                function.kw_defaults = {name: default(f) for name, default in kw_defaults}
            return machine.overridden(function, f)

        return make

    def class_(self, node: ast.ClassDef) -> Action:
        """The closure of `class`."""
        outer, around = self.scope, self.owner
        bases = self._positional(node.bases)
        keywords = self._keywords(node.keywords)
        decorators = [
            (self.expression(decorator), decorator.lineno + self.offset) for decorator in node.decorator_list
        ]
        store = self._name_target(node.name)
        self.scope, self.owner = class_scope(node.body), node.name.lstrip("_")
        body = self.body(node.body)
        self.scope, self.owner = outer, around
        machine, name, line, at_top = self.machine, node.name, node.lineno + self.offset, outer.locals is None
        doc = ast.get_docstring(node, clean=False)

        def run(f: Frame) -> Any:
            inner = Frame({}, f.module, None if at_top else (f.up if f.is_class else f))
            inner.is_class = True
            inner.vars["__qualname__"] = name
            inner.vars["__doc__"] = doc
            machine.enter(inner)
            try:
                body(inner)
            finally:
                machine.leave()
            value = machine.classes.create(name, bases(f), keywords(f), inner, line)
            for decorator, at in reversed(decorators):
                value = machine.decorate(decorator, value, f, at)
            store(f, value)

        return run

    def function_body(self, code: Code) -> Action:
        """The closure of a function's or lambda's body, by a compiler of its own."""
        node: Any = code.node
        nodes = node.body if isinstance(node.body, list) else [node.body]
        self.scope = function_scope(node.args, nodes)
        code.is_generator = self.scope.has_yield
        code.is_async = isinstance(node, ast.AsyncFunctionDef)
        if not isinstance(node, ast.Lambda):
            return self.body(nodes, lambda: cast(Any, code.node).body)
        value = self.expression(node.body)

        def evaluate(f: Frame) -> Any:
            f.result = value(f)

        return evaluate

"""Turns statements into closures. Each gives None to go on, or one of the signals that leave a block."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.compile_expressions import Expression, Expressions, new_code
from bitlens.source.evaluate.scope import Frame, class_scope, function_scope
from bitlens.source.evaluate.values import UNKNOWN, Code, Control, Function, Instance, Lazy, PyRaise, Unknown

BREAK, CONTINUE, RETURN = "break", "continue", "return"
Action = Callable[[Frame], Any]


class Statements(Expressions):
    """Compiles the statements of one top-level statement."""

    in_try = 0

    def block(self, nodes: list[ast.stmt]) -> Action:
        """Run statements in order until one leaves the block."""
        actions = [self.statement(node) for node in nodes]
        if len(actions) == 1:
            return actions[0]

        def run(f: Frame) -> Any:
            for action in actions:
                signal = action(f)
                if signal is not None:
                    return signal
            return None

        return run

    def body(self, nodes: list[ast.stmt]) -> Action:
        """A function's body: a statement that the evaluator cannot run is reported, and the next one is
        run."""
        machine = self.machine
        actions = [(self.statement(node), node.lineno + self.offset) for node in nodes]

        def run(f: Frame) -> Any:
            for action, line in actions:
                try:
                    signal = action(f)
                except Control:
                    raise
                except Exception as error:
                    if not machine.recover(error, f, line):
                        raise
                    continue
                if signal is not None:
                    return signal
            return None

        return run

    def statement(self, node: ast.stmt) -> Action:
        """The closure of any statement."""
        handler = _HANDLERS.get(type(node))
        return handler(self, node) if handler is not None else (lambda f: None)

    def expression_statement(self, node: ast.Expr) -> Action:
        """The closure of `expression statement`."""
        if isinstance(node.value, ast.Constant):
            return lambda f: None
        value = self.expression(node.value)

        def run(f: Frame) -> Any:
            value(f)

        return run

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

    def target(self, node: ast.expr) -> Callable[[Frame, Any], None]:
        """The closure that assigns a value to a target."""
        if isinstance(node, ast.Name):
            return self._name_target(node.id)
        if isinstance(node, ast.Attribute):
            value, name, setattr_ = self.expression(node.value), node.attr, self.machine.setattr
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
            value, name = self.expression(node.value), node.attr
            return lambda f: machine.delattr(value(f), name)
        if isinstance(node, ast.Subscript):
            owner, index = self.expression(node.value), self.expression(node.slice)
            return lambda f: machine.delitem(owner(f), index(f))
        if isinstance(node, ast.Name):
            removed = node.id
            return lambda f: f.vars.pop(removed, None) and None
        return lambda f: None

    def return_(self, node: ast.Return) -> Action:
        """The closure of `return`."""
        value = self.expression(node.value) if node.value is not None else (lambda f: None)

        def run(f: Frame) -> Any:
            f.result = value(f)
            return RETURN

        return run

    def raise_(self, node: ast.Raise) -> Action:
        """The closure of `raise`."""
        machine = self.machine
        value = self.expression(node.exc) if node.exc is not None else None

        def run(f: Frame) -> Any:
            f.line = line
            if value is None:
                raise machine.current_error()
            raise PyRaise(machine.exception_of(value(f)), explicit=True)

        line = node.lineno + self.offset
        return run

    def if_(self, node: ast.If) -> Action:
        """The closure of `if`."""
        test, body = self.expression(node.test), self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            known = machine.truth(test(f))
            if known is None:
                return machine.branches(f, body, orelse)
            return body(f) if known else orelse(f)

        return run

    def for_(self, node: ast.For) -> Action:
        """The closure of `for`."""
        iterated, store, body = self.expression(node.iter), self.target(node.target), self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            source = iterated(f)
            if isinstance(source, Unknown):
                return machine.unknown_loop(f, lambda: store(f, UNKNOWN), body)
            for value in machine.iterate(source):
                machine.tick()
                store(f, value)
                signal = body(f)
                if signal is not None:
                    if signal is BREAK:
                        return None
                    if signal is RETURN:
                        return signal
            return orelse(f)

        return run

    def while_(self, node: ast.While) -> Action:
        """The closure of `while`."""
        test, body = self.expression(node.test), self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            while True:
                machine.tick()
                known = machine.truth(test(f))
                if known is None:
                    return machine.unknown_loop(f, lambda: None, body)
                if not known:
                    return orelse(f)
                signal = body(f)
                if signal is BREAK:
                    return None
                if signal is RETURN:
                    return signal

        return run

    def with_(self, node: ast.With) -> Action:
        """The closure of `with`."""
        items = [
            (
                self.expression(item.context_expr),
                self.target(item.optional_vars) if item.optional_vars else None,
            )
            for item in node.items
        ]
        body, machine = self.block(node.body), self.machine

        def run(f: Frame) -> Any:
            managers = []
            for context, store in items:
                manager = context(f)
                entered = machine.enter_context(manager)
                managers.append(manager)
                if store is not None:
                    store(f, entered)
            try:
                return body(f)
            except PyRaise as error:
                if not any(machine.suppresses(manager, error) for manager in managers):
                    raise
                return None
            finally:
                for manager in reversed(managers):
                    machine.exit_context(manager)

        return run

    def try_(self, node: ast.Try) -> Action:
        """The closure of `try`."""
        self.in_try += 1
        body = self.block(node.body)
        self.in_try -= 1
        handlers = [self._handler(handler) for handler in node.handlers]
        orelse = self.block(node.orelse) if node.orelse else (lambda f: None)
        final = self.block(node.finalbody) if node.finalbody else None
        machine = self.machine

        def attempt(f: Frame) -> Any:
            machine.tries += bool(handlers)
            depth = machine.depth
            try:
                signal = body(f)
            except Control:
                machine.tries -= bool(handlers)
                raise
            except Exception as error:
                machine.tries -= bool(handlers)
                machine.unwind(depth)
                raised = machine.as_raise(error)
                for kinds, name, action in handlers:
                    if kinds is None or machine.catches(kinds(f), raised):
                        if name is not None:
                            f.vars[name] = raised.value
                        machine.errors.append(raised)
                        try:
                            return action(f)
                        finally:
                            machine.errors.pop()
                raise raised from None
            machine.tries -= bool(handlers)
            return signal if signal is not None else orelse(f)

        if final is None:
            return attempt

        def run(f: Frame) -> Any:
            try:
                signal = attempt(f)
            except Control:
                raise
            except Exception:
                left = final(f)
                if left is not None:
                    return left
                raise
            left = final(f)
            return signal if left is None else left

        return run

    def _handler(self, node: ast.ExceptHandler) -> Any:
        kinds = self.expression(node.type) if node.type is not None else None
        return kinds, node.name, self.block(node.body)

    def assert_(self, node: ast.Assert) -> Action:
        """The closure of `assert`."""
        test, machine = self.expression(node.test), self.machine

        def run(f: Frame) -> Any:
            if machine.truth(test(f)) is False:
                raise machine.error("AssertionError", "assertion failed")

        return run

    def import_(self, node: ast.Import) -> Action:
        """The closure of `import`."""
        machine, guarded = self.machine, self.in_try > 0
        names = [(alias.name, alias.asname) for alias in node.names]

        def run(f: Frame) -> Any:
            for name, bound in names:
                if bound is not None:
                    f.vars[bound] = machine.imports.module_value(name, f.module, guarded)
                else:
                    f.vars[name.partition(".")[0]] = machine.imports.top_value(name, f.module, guarded)

        return run

    def import_from(self, node: ast.ImportFrom) -> Action:
        """The closure of `import from`."""
        machine, guarded = self.machine, self.in_try > 0
        module, level = node.module or "", node.level
        names = [(alias.name, alias.asname or alias.name) for alias in node.names]
        at_top = self.scope.locals is None and not guarded

        def run(f: Frame) -> Any:
            source = machine.imports.absolute(module, level, f.module)
            for name, bound in names:
                if name == "*":
                    machine.imports.star(source, f)
                elif at_top:
                    f.vars[bound] = machine.imports.lazy(source, name, f.module)
                else:
                    f.vars[bound] = machine.imports.member(source, name, f.module, guarded)

        return run

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Action:
        """The closure of `function`."""
        make, store = self.function_value(node, node.name), self._name_target(node.name)
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
        code = new_code(node, name, node.lineno + self.offset)
        offset, machine, outer = self.offset, self.machine, self.scope
        code.compile = lambda code: _compiled(machine, offset, code)

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
        outer = self.scope
        bases = self._positional(node.bases)
        keywords = self._keywords(node.keywords)
        decorators = [
            (self.expression(decorator), decorator.lineno + self.offset) for decorator in node.decorator_list
        ]
        store = self._name_target(node.name)
        self.scope = class_scope(node.body)
        body = self.body(node.body)
        self.scope = outer
        machine, name, line, at_top = self.machine, node.name, node.lineno + self.offset, outer.locals is None

        def run(f: Frame) -> Any:
            inner = Frame({}, f.module, None if at_top else (f.up if f.is_class else f))
            inner.is_class = True
            inner.vars["__qualname__"] = name
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

    def match(self, node: ast.Match) -> Action:
        """The closure of `match`."""
        from bitlens.source.evaluate.compile_patterns import pattern

        subject, machine = self.expression(node.subject), self.machine
        cases = [
            (
                pattern(self, case.pattern),
                self.expression(case.guard) if case.guard else None,
                self.block(case.body),
            )
            for case in node.cases
        ]

        def run(f: Frame) -> Any:
            value = subject(f)
            for matches, guard, body in cases:
                known = matches(f, value)
                if known and guard is not None:
                    known = machine.truth(guard(f))
                if known is None:
                    machine.branches(f, body, lambda f: None)
                elif known:
                    return body(f)
            return None

        return run

    def break_(self, node: ast.Break) -> Action:
        """The closure of `break`."""
        return lambda f: BREAK

    def continue_(self, node: ast.Continue) -> Action:
        """The closure of `continue`."""
        return lambda f: CONTINUE


def _compiled(machine: Any, offset: int, code: Code) -> Action:
    """Compile a function's body."""
    node: Any = code.node
    compiler = Statements(machine, offset)
    body = node.body if isinstance(node.body, list) else [node.body]
    compiler.scope = function_scope(node.args, body)
    code.is_generator = compiler.scope.has_yield
    code.is_async = isinstance(node, ast.AsyncFunctionDef)
    if isinstance(node, ast.Lambda):
        value = compiler.expression(node.body)

        def evaluate(f: Frame) -> Any:
            f.result = value(f)

        return evaluate
    return compiler.body(body)


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


_HANDLERS: dict[type, Callable[[Any, Any], Action]] = {
    ast.Expr: Statements.expression_statement,
    ast.Assign: Statements.assign,
    ast.AnnAssign: Statements.annotated,
    ast.AugAssign: Statements.augmented,
    ast.Delete: Statements.delete,
    ast.Return: Statements.return_,
    ast.Raise: Statements.raise_,
    ast.If: Statements.if_,
    ast.For: Statements.for_,
    ast.While: Statements.while_,
    ast.With: Statements.with_,
    ast.Try: Statements.try_,
    ast.Assert: Statements.assert_,
    ast.Import: Statements.import_,
    ast.ImportFrom: Statements.import_from,
    ast.FunctionDef: Statements.function,
    ast.AsyncFunctionDef: Statements.function,
    ast.ClassDef: Statements.class_,
    ast.Match: Statements.match,
    ast.Break: Statements.break_,
    ast.Continue: Statements.continue_,
}
if hasattr(ast, "TryStar"):
    _HANDLERS[ast.TryStar] = Statements.try_
__all__ = ["BREAK", "CONTINUE", "RETURN", "Instance", "Lazy", "Statements"]

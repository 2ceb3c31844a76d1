"""Turns expressions into Python closures: each takes a frame and gives a value.

Closures are made once for each statement of a file and run many times, which is several times faster than
walking
the tree.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.scope import Frame, Scope, comprehension_scope
from bitlens.source.evaluate.values import (
    UNKNOWN,
    BoundMethod,
    Code,
    Function,
    Instance,
    Iter,
    Lazy,
    Super,
    Unknown,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Expression = Callable[[Frame], Any]


class Expressions:
    """Compiles the expressions of one top-level statement, whose first line is `offset` + 1 in the file."""

    def __init__(self, machine: Machine, offset: int) -> None:
        self.machine = machine
        self.offset = offset
        self.scope = Scope(is_module=True)

    def expression(self, node: ast.expr | None) -> Expression:
        """The closure of any expression."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return lambda f: UNKNOWN
        return handler(self, node)

    def constant(self, node: ast.Constant) -> Expression:
        """The closure of `constant`."""
        value = node.value
        return lambda f: value

    def name(self, node: ast.Name) -> Expression:
        """The closure of `name`."""
        name, scope = node.id, self.scope
        if scope.locals is None or name in scope.globals:
            return self._global(name)
        if name in scope.locals:
            return self._class_local(name) if scope.is_class else self._local(name)
        return self._free(name)

    def _global(self, name: str) -> Expression:
        machine = self.machine

        def load(f: Frame) -> Any:
            value = f.module.vars.get(name, machine)
            if value is machine:
                return machine.builtin(name, f)
            return value.force() if type(value) is Lazy else value

        return load

    def _local(self, name: str) -> Expression:
        machine = self.machine

        def load(f: Frame) -> Any:
            try:
                return f.vars[name]
            except KeyError:
                return machine.unbound(name)

        return load

    def _class_local(self, name: str) -> Expression:
        otherwise = self._free(name)
        return lambda f: f.vars[name] if name in f.vars else otherwise(f)

    def _free(self, name: str) -> Expression:
        machine = self.machine

        def load(f: Frame) -> Any:
            up = f.up
            while up is not None:
                if name in up.vars:
                    value = up.vars[name]
                    return value.force() if type(value) is Lazy else value
                up = up.up
            value = f.module.vars.get(name, machine)
            if value is machine:
                return machine.builtin(name, f)
            return value.force() if type(value) is Lazy else value

        return load

    def attribute(self, node: ast.Attribute) -> Expression:
        """The closure of `attribute`."""
        value, name, getattr_ = self.expression(node.value), node.attr, self.machine.getattr
        line = node.lineno + self.offset

        def load(f: Frame) -> Any:
            target = value(f)
            f.line = line
            return getattr_(target, name)

        return load

    def subscript(self, node: ast.Subscript) -> Expression:
        """The closure of `subscript`."""
        value, index, getitem = self.expression(node.value), self.expression(node.slice), self.machine.getitem
        line = node.lineno + self.offset

        def load(f: Frame) -> Any:
            target = value(f)
            key = index(f)
            f.line = line
            return getitem(target, key)

        return load

    def slice(self, node: ast.Slice) -> Expression:
        """The closure of `slice`."""
        lower, upper, step = (
            self.expression(part) if part is not None else (lambda f: None)
            for part in (node.lower, node.upper, node.step)
        )

        def make(f: Frame) -> Any:
            parts = (lower(f), upper(f), step(f))
            return UNKNOWN if any(isinstance(part, Unknown) for part in parts) else slice(*parts)

        return make

    def call(self, node: ast.Call) -> Expression:
        """The closure of `call`."""
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self._super()
        positional, keywords = self._arguments(node)
        line = node.lineno + self.offset
        if isinstance(node.func, ast.Attribute):
            return self._method_call(node.func, positional, keywords, line)
        function, call = self.expression(node.func), self.machine.call
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in ("locals", "vars", "globals", "dir")
            and not node.args
        ):
            machine, which = self.machine, node.func.id
            return lambda f: machine.namespace_of(which, f)

        def run(f: Frame) -> Any:
            target = function(f)
            arguments = positional(f)
            named = keywords(f)
            f.line = line
            return call(target, arguments, named)

        return run

    def _method_call(self, node: ast.Attribute, positional: Any, keywords: Any, line: int) -> Expression:
        owner, name = self.expression(node.value), node.attr
        call_method = self.machine.call_method

        def run(f: Frame) -> Any:
            target = owner(f)
            arguments = positional(f)
            named = keywords(f)
            f.line = line
            return call_method(target, name, arguments, named)

        return run

    def _arguments(
        self, node: ast.Call
    ) -> tuple[Callable[[Frame], list[Any]], Callable[[Frame], dict[str, Any]]]:
        return self._positional(node.args), self._keywords(node.keywords)

    def _positional(self, nodes: list[ast.expr]) -> Callable[[Frame], list[Any]]:
        if not any(isinstance(node, ast.Starred) for node in nodes):
            parts = [self.expression(node) for node in nodes]
            if not parts:
                return lambda f: []
            if len(parts) == 1:
                only = parts[0]
                return lambda f: [only(f)]
            return lambda f: [part(f) for part in parts]
        return self._spread(nodes)

    def _spread(self, nodes: list[ast.expr]) -> Callable[[Frame], list[Any]]:
        pairs = [
            (True, self.expression(node.value))
            if isinstance(node, ast.Starred)
            else (False, self.expression(node))
            for node in nodes
        ]
        machine = self.machine

        def gather(f: Frame) -> list[Any]:
            result: list[Any] = []
            for starred, part in pairs:
                if not starred:
                    result.append(part(f))
                    continue
                value = part(f)
                result.extend([Unknown("*")] if isinstance(value, Unknown) else machine.iterate(value))
            return result

        return gather

    def _keywords(self, nodes: list[ast.keyword]) -> Callable[[Frame], dict[str, Any]]:
        if not nodes:
            return lambda f: {}
        pairs = [(node.arg, self.expression(node.value)) for node in nodes]
        machine = self.machine
        if all(name is not None for name, _ in pairs):
            return lambda f: {name: part(f) for name, part in pairs}  # type: ignore[misc]

        def gather(f: Frame) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for name, part in pairs:
                if name is None:
                    result.update(machine.mapping(part(f)))
                else:
                    result[name] = part(f)
            return result

        return gather

    def _super(self) -> Expression:
        def make(f: Frame) -> Any:
            frame: Frame | None = f
            while frame is not None:
                function = frame.function
                if function is not None and function.owner is not None and function.code.args:
                    target = frame.vars.get(function.code.args[0])
                    start = target.cls if isinstance(target, Instance) else target
                    return Super(function.owner, target, start)  # type: ignore[arg-type] # a class or its instance
                frame = frame.up
            return UNKNOWN

        return make

    def binary(self, node: ast.BinOp) -> Expression:
        """The closure of `binary`."""
        left, right, operator = self.expression(node.left), self.expression(node.right), type(node.op)
        apply = self.machine.binary(operator)
        return lambda f: apply(left(f), right(f))

    def boolean(self, node: ast.BoolOp) -> Expression:
        """The closure of `boolean`."""
        machine = self.machine
        parts, truth = [self.expression(value) for value in node.values], machine.truth
        stop_at = isinstance(node.op, ast.Or)

        def evaluate(f: Frame) -> Any:
            value: Any = None
            doubt = None
            for part in parts:
                value = part(f)
                known = truth(value)
                if known is None:
                    machine.doubts += 1
                    doubt = doubt or value
                elif known is stop_at:
                    # `unknown or True` is true, `unknown and False` is false, whatever the unknown is.
                    return value
            return doubt if doubt is not None else value

        return evaluate

    def comparison(self, node: ast.Compare) -> Expression:
        """The closure of `comparison`."""
        left = self.expression(node.left)
        rest = [
            (self.machine.comparison(type(op)), self.expression(c))
            for op, c in zip(node.ops, node.comparators, strict=False)
        ]
        if len(rest) == 1:
            compare, right = rest[0]
            return lambda f: compare(left(f), right(f))
        truth = self.machine.truth

        def chain(f: Frame) -> Any:
            value, result = left(f), True
            for compare, part in rest:
                following = part(f)
                result = compare(value, following)
                if truth(result) is not True:
                    return result
                value = following
            return result

        return chain

    def unary(self, node: ast.UnaryOp) -> Expression:
        """The closure of `unary`."""
        operand, apply = self.expression(node.operand), self.machine.unary(type(node.op))
        return lambda f: apply(operand(f))

    def conditional(self, node: ast.IfExp) -> Expression:
        """The closure of `conditional`."""
        test, body, orelse = (
            self.expression(node.test),
            self.expression(node.body),
            self.expression(node.orelse),
        )
        machine = self.machine

        def choose(f: Frame) -> Any:
            known = machine.truth(test(f))
            if known is None:
                return machine.either(lambda: body(f), lambda: orelse(f))
            return body(f) if known else orelse(f)

        return choose

    def walrus(self, node: ast.NamedExpr) -> Expression:
        """The closure of `walrus`."""
        value, name = self.expression(node.value), node.target.id

        def assign(f: Frame) -> Any:
            result = value(f)
            frame = f
            while frame.function is None and frame.up is not None and not frame.is_class:
                frame = frame.up
            frame.vars[name] = result
            return result

        return assign

    def tuple(self, node: ast.Tuple) -> Expression:
        """The closure of `tuple`."""
        gather = self._positional(node.elts)
        return lambda f: tuple(gather(f))

    def list(self, node: ast.List) -> Expression:
        """The closure of `list`."""
        gather, machine = self._positional(node.elts), self.machine
        return lambda f: machine.repetition.born(gather(f))

    def set(self, node: ast.Set) -> Expression:
        """The closure of `set`."""
        gather, machine = self._positional(node.elts), self.machine
        return lambda f: machine.repetition.born(machine.make_set(gather(f)))

    def dict(self, node: ast.Dict) -> Expression:
        """The closure of `dict`."""
        pairs = [
            (None if k is None else self.expression(k), self.expression(v))
            for k, v in zip(node.keys, node.values, strict=False)
        ]
        machine = self.machine

        def make(f: Frame) -> Any:
            result: dict[Any, Any] = machine.repetition.born({})
            for key, value in pairs:
                if key is None:
                    result.update(machine.mapping(value(f)))
                else:
                    result[machine.key(key(f))] = value(f)
            return result

        return make

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Expression:
        """Any comprehension; a generator is run to its end at once."""
        outer = self.scope
        first = self.expression(node.generators[0].iter)
        self.scope = comprehension_scope(node.generators)
        if isinstance(node, ast.DictComp):
            key, value = self.expression(node.key), self.expression(node.value)
            element: Expression = lambda f: (key(f), value(f))  # noqa: E731
        else:
            element = self.expression(node.elt)
        clauses = [self._clause(generator, index) for index, generator in enumerate(node.generators)]
        self.scope = outer
        machine, kind = self.machine, type(node)

        def run(f: Frame) -> Any:
            inner = Frame({}, f.module, f.up if f.is_class else f)
            inner.line = f.line
            result: list[Any] = []
            machine.enter(inner)
            try:
                machine.comprehend(clauses, 0, first(f), inner, element, result)
            finally:
                machine.leave()
            return _collected(kind, result, machine)

        return run

    def _clause(self, generator: ast.comprehension, index: int) -> Any:
        iterated = None if index == 0 else self.expression(generator.iter)
        return iterated, self.target(generator.target), [self.expression(test) for test in generator.ifs]

    def target(self, node: ast.expr) -> Callable[[Frame, Any], None]:
        """The closure that assigns a value; defined where statements are compiled."""
        raise NotImplementedError

    def lambda_(self, node: ast.Lambda) -> Expression:
        """The closure of `lambda`."""
        return self.function_value(node, "<lambda>")

    def function_value(self, node: Any, name: str) -> Expression:
        """The closure that makes a function."""
        raise NotImplementedError

    def joined(self, node: ast.JoinedStr) -> Expression:
        """The closure of `joined`."""
        parts = [self.expression(value) for value in node.values]
        machine = self.machine

        def make(f: Frame) -> Any:
            texts = [part(f) for part in parts]
            if any(isinstance(text, Unknown) for text in texts):
                return Unknown("text")
            machine.allocate(sum(map(len, texts)))
            return "".join(texts)

        return make

    def formatted(self, node: ast.FormattedValue) -> Expression:
        """The closure of `formatted`."""
        value, machine = self.expression(node.value), self.machine
        spec = self.expression(node.format_spec) if node.format_spec is not None else (lambda f: "")
        conversion = node.conversion
        return lambda f: machine.format(value(f), conversion, spec(f))

    def starred(self, node: ast.Starred) -> Expression:
        """The closure of `starred`."""
        return self.expression(node.value)

    def yield_(self, node: ast.Yield) -> Expression:
        """The closure of `yield`."""
        value = self.expression(node.value) if node.value is not None else (lambda f: None)
        machine = self.machine

        def run(f: Frame) -> Any:
            machine.yield_values(f, [value(f)])

        return run

    def yield_from(self, node: ast.YieldFrom) -> Expression:
        """The closure of `yield from`."""
        value, machine = self.expression(node.value), self.machine

        def run(f: Frame) -> Any:
            machine.yield_values(f, machine.iterate(value(f)))

        return run


def _collected(kind: type, result: list[Any], machine: Machine) -> Any:
    if kind is ast.ListComp:
        return machine.repetition.born(result)
    if kind is ast.SetComp:
        return machine.repetition.born(machine.make_set(result))
    if kind is ast.DictComp:
        return machine.repetition.born({machine.key(key): value for key, value in result})
    return Iter(iter(result))


def method_or_function(value: Any, target: Any) -> Any:
    """A function found in a class, bound to the object that it was asked on."""
    return BoundMethod(value, target) if isinstance(value, Function) else value


def new_code(node: Any, name: str, line: int) -> Code:
    """The code of a function that stands on `line`."""
    return Code(node, name, line)


_HANDLERS: dict[Any, Callable[[Any, Any], Expression]] = {
    ast.Constant: Expressions.constant,
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript,
    ast.Slice: Expressions.slice,
    ast.Call: Expressions.call,
    ast.BinOp: Expressions.binary,
    ast.BoolOp: Expressions.boolean,
    ast.Compare: Expressions.comparison,
    ast.UnaryOp: Expressions.unary,
    ast.IfExp: Expressions.conditional,
    ast.NamedExpr: Expressions.walrus,
    ast.Tuple: Expressions.tuple,
    ast.List: Expressions.list,
    ast.Set: Expressions.set,
    ast.Dict: Expressions.dict,
    ast.ListComp: Expressions.comprehension,
    ast.SetComp: Expressions.comprehension,
    ast.DictComp: Expressions.comprehension,
    ast.GeneratorExp: Expressions.comprehension,
    ast.Lambda: Expressions.lambda_,
    ast.JoinedStr: Expressions.joined,
    ast.FormattedValue: Expressions.formatted,
    ast.Starred: Expressions.starred,
    ast.Yield: Expressions.yield_,
    ast.YieldFrom: Expressions.yield_from,
}

"""Layers, direct parameters and buffers, and module classes of a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from bitlens.source.fact_types import Attachment, ClassFact, LayerFact, Literals, TensorFact
from bitlens.source.imports import chain
from bitlens.source.knowledge import Function, Knowledge, required_arguments
from bitlens.source.libraries import LOADERS, NOT_MODELS
from bitlens.source.places import Columns
from bitlens.source.tree import children, walk
from bitlens.source.words import words

_HOLDS_CLASS = re.compile(
    r"(^|_)(layer|layers|cls|class|block|norm|act|fn|type|module|factory|conv|pool|attn|mlp)\d*$", re.I
)
_BUILDING = re.compile(r"^_*(init|make|build|create|get|add|setup|new|configure|__init)", re.I)
"""Functions in which a call of a held class is taken for a construction; elsewhere it is a layer that is
applied."""
_ATTACHING = words("append insert extend add_module register_module setattr update")
_PARAMETERS = words("torch.nn.Parameter torch.nn.UninitializedParameter")
_BUFFERS = words("torch.nn.Buffer torch.nn.UninitializedBuffer")


class LayerFacts:
    """Walks statements and collects. Positions are relative to the statement; `offset` makes them
    absolute."""

    def __init__(self, knowledge: Knowledge, columns: Columns) -> None:
        self.knowledge = knowledge
        self.columns = columns
        self.layers: list[LayerFact] = []
        self.tensors: list[TensorFact] = []
        self.classes: list[ClassFact] = []
        self.offset = 0
        self.owner: list[str] = []
        self.functions: list[Function] = []

    def statement(self, node: ast.stmt, offset: int) -> None:
        """Collect from one top-level statement."""
        self.offset = offset
        self._statement(node)

    def _statement(self, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            self._assignment(node)
        elif isinstance(node, ast.Return):
            self._value(node.value, None, "return")
        elif isinstance(node, ast.Expr):
            self._value(node.value, None, "argument")
        else:
            for child in children(node):
                if isinstance(child, ast.expr):
                    self._value(child, None, "variable")
                else:
                    self._statement(child)

    def _class(self, node: ast.ClassDef) -> None:
        self.owner.append(node.name)
        if self.knowledge.classes.get(node.name) is node and self.knowledge.is_module(node.name):
            bases = tuple(self.knowledge.meaning(base) or ast.unparse(base) for base in node.bases)
            required = required_arguments(self.knowledge.constructor(node.name), bound=True)
            self.classes.append(ClassFact(*self.columns.place(node, self.offset), node.name, bases, required))
        for child in node.body:
            self._statement(child)
        self.owner.pop()

    def _function(self, node: Function) -> None:
        self.functions.append(node)
        for child in (*node.args.defaults, *node.args.kw_defaults, *node.body):
            if child is not None:
                self._statement(child)
        self.functions.pop()

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        path, attached = _attachment(targets[0])
        self._value(node.value, path, attached)

    def _value(self, node: ast.AST | None, path: str | None, attached: Attachment) -> None:
        if node is None:
            return
        if isinstance(node, ast.Call):
            self._call(node, path, attached)
        elif isinstance(node, ast.Subscript) and attached == "attribute" and _is_table(node):
            self._layer(node, ast.unparse(node.value), path, attached, ())
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            self._elements(node.elts, path, attached)
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            self._value(node.elt, _below(path, "[]"), "comprehension")
            self._parts(node.generators)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                self._value(
                    value, _below(path, f".{key.value!s}") if isinstance(key, ast.Constant) else None, "dict"
                )
        elif isinstance(node, (ast.IfExp, ast.BoolOp, ast.NamedExpr, ast.Starred, ast.Await, ast.BinOp)):
            for child in children(node):
                self._value(child, path, attached)
        else:
            self._parts([node])

    def _elements(self, elements: list[ast.expr], path: str | None, attached: Attachment) -> None:
        for element in elements:
            name = _pair_name(element) if attached == "sequential" else None
            if name is not None and isinstance(element, ast.Tuple):
                self._value(element.elts[1], _below(path, f".{name}"), "named")
            else:
                self._value(
                    element, _below(path, "[]"), attached if attached in ("append", "sequential") else "list"
                )

    def _parts(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            for child in children(node):
                if isinstance(child, (ast.expr, ast.comprehension)):
                    self._value(child, None, "argument")
                else:
                    self._statement(child)

    def _call(self, node: ast.Call, path: str | None, attached: Attachment) -> None:
        self._tensor(node, path)
        name = self._layer_name(node, attached)
        if name is not None:
            self._layer(node, name, path, attached, literals(node))
        self._value(node.func, path, attached) if isinstance(node.func, ast.Call) else self._parts(
            [node.func]
        )
        for inner, below, how in self._arguments(node, name, path, attached):
            self._value(inner, below, how)

    def _arguments(
        self, node: ast.Call, name: str | None, path: str | None, attached: Attachment
    ) -> Iterator[tuple[ast.expr, str | None, Attachment]]:
        """The arguments of a call, with the path and way in which they get into what it builds."""
        last = (name or "").rsplit(".", 1)[-1]
        if isinstance(node.func, ast.Attribute) and node.func.attr in _ATTACHING:
            yield from self._attached(node, node.func)
        elif last == "Sequential" or (isinstance(node.func, ast.Name) and node.func.id == "OrderedDict"):
            for position, value in enumerate(node.args):
                is_pairs = isinstance(value, (ast.List, ast.Call)) and not self._layer_name_of(value)
                yield value, path if is_pairs else _below(path, f".{position}"), "sequential"
        elif last in {"ModuleList", "ModuleDict"}:
            yield from ((value, path, attached) for value in node.args)
            yield from ((k.value, _below(path, f".{k.arg}"), "dict") for k in node.keywords)
        else:
            yield from ((value, None, "argument") for value in node.args)
            yield from ((keyword.value, None, "argument") for keyword in node.keywords)

    def _attached(
        self, node: ast.Call, func: ast.Attribute
    ) -> Iterator[tuple[ast.expr, str | None, Attachment]]:
        """`self.layers.append(…)`, `self.add_module(name, …)`."""
        parts = chain(func.value) or ()
        whole = ".".join(parts[1:] if parts[:1] == ("self",) else parts)
        named = func.attr in {"add_module", "register_module", "setattr"}
        for value in node.args:
            if named:
                first = node.args[0]
                own = str(first.value) if isinstance(first, ast.Constant) else "*"
                yield value, f"{whole}.{own}" if whole else own, "named"
            else:
                yield value, f"{whole}[]" if whole else None, "append"

    def _layer_name_of(self, node: ast.expr) -> str | None:
        return self._layer_name(node, "argument") if isinstance(node, ast.Call) else None

    def _layer_name(self, node: ast.Call, attached: Attachment) -> str | None:
        """The class that a call constructs, if it constructs a module."""
        dotted = self.knowledge.meaning(node.func)
        if dotted is not None and self.knowledge.is_module(dotted):
            return dotted
        if isinstance(node.func, ast.Name):
            return self._held(node.func, attached)
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, dotted, attached)
        if isinstance(node.func, ast.Subscript) and (
            _is_table(node.func) or self.knowledge.class_in(node.func)
        ):
            return ast.unparse(node.func.value) if self.owner else self.knowledge.class_in(node.func)
        if (
            isinstance(node.func, ast.Call)
            and isinstance(node.func.func, ast.Name)
            and node.func.func.id == "getattr"
        ):
            module = self.knowledge.meaning(node.func.args[0]) if node.func.args else None
            return "torch.nn" if module == "torch.nn" else None
        return None

    def _method(self, func: ast.Attribute, dotted: str | None, attached: Attachment) -> str | None:
        if func.attr in LOADERS and self.owner:
            parts = chain(func.value)
            owner = self.knowledge.meaning(func.value) or ".".join(parts or ())
            last = owner.rsplit(".", 1)[-1]
            return owner if last[:1].isupper() and not NOT_MODELS.search(last) else None
        if not self._builds():
            return None
        on_self = isinstance(func.value, ast.Name) and func.value.id in {"self", "cls"}
        if (
            on_self
            and attached != "argument"
            and _HOLDS_CLASS.search(func.attr)
            and not self._is_method(func.attr)
        ):
            return ast.unparse(func)
        return None

    def _builds(self) -> bool:
        return bool(self.functions) and _BUILDING.match(self.functions[-1].name) is not None

    def _is_method(self, name: str) -> bool:
        """Whether the class at hand has a method of that name, so that `self.name()` is no stored class."""
        node = self.knowledge.classes.get(self.owner[-1]) if self.owner else None
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        return node is not None and any(
            isinstance(child, functions) and child.name == name for child in node.body
        )

    def _held(self, func: ast.Name, attached: Attachment) -> str | None:
        """A call of a parameter or variable of the function that holds a class."""
        if not self.functions or self.knowledge.defines(func.id) or func.id in self.knowledge.names.bindings:
            return None
        for function in reversed(self.functions):
            made = self._default(function, func.id) or self._assigned(function, func.id)
            if made is not None:
                return made
        known = self._builds() and any(func.id in _names(function) for function in self.functions)
        return func.id if known and _HOLDS_CLASS.search(func.id) and attached != "argument" else None

    def _default(self, function: Function, name: str) -> str | None:
        arguments = function.args
        plain = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(reversed(plain), reversed(arguments.defaults), strict=False))
        pairs += [
            (a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
        ]
        for argument, default in pairs:
            if argument.arg == name:
                return self._class_of(default)
        return None

    def _assigned(self, function: Function, name: str) -> str | None:
        for node in walk(function):
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == name for t in node.targets
            ):
                made = self._class_of(node.value)
                if made is not None:
                    return made
        return None

    def _class_of(self, value: ast.expr) -> str | None:
        """The class in an expression; of `partial(nn.LayerNorm, eps=1e-6)` too."""
        if (
            isinstance(value, ast.Call)
            and value.args
            and self.knowledge.meaning(value.func) == "functools.partial"
        ):
            return self._class_of(value.args[0])
        if isinstance(value, ast.BoolOp):
            return next((made for item in value.values if (made := self._class_of(item)) is not None), None)
        return self.knowledge.class_in(value)

    def _layer(
        self, node: ast.expr, name: str, path: str | None, attached: Attachment, given: Literals
    ) -> None:
        line, column = self.columns.place(node, self.offset)
        end = (node.end_lineno or node.lineno) + self.offset
        owner = self.owner[-1] if self.owner else None
        function = self.functions[-1].name if self.functions else None
        self.layers.append(LayerFact(line, column, end, name, owner, function, path, attached, given))

    def _tensor(self, node: ast.Call, path: str | None) -> None:
        dotted = self.knowledge.names.dotted(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if dotted in _PARAMETERS or method == "register_parameter":
            kind, own = "parameter", path
        elif dotted in _BUFFERS or method == "register_buffer":
            kind, own = "buffer", path
        else:
            return
        if method.startswith("register_"):
            first = node.args[0] if node.args else None
            own = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        owner = self.owner[-1] if self.owner else None
        self.tensors.append(TensorFact(*self.columns.place(node, self.offset), kind, owner, own))  # type: ignore[arg-type]


def _attachment(target: ast.expr) -> tuple[str | None, Attachment]:
    parts = chain(target)
    if parts is not None and len(parts) > 1 and parts[0] == "self":
        return ".".join(parts[1:]), "attribute"
    if isinstance(target, ast.Subscript):
        inner, _ = _attachment(target.value)
        key = target.slice
        return _below(inner, f".{key.value!s}" if isinstance(key, ast.Constant) else "[]"), "dict"
    return (".".join(parts), "variable") if parts is not None else (None, "variable")


def _pair_name(node: ast.expr) -> str | None:
    """The name in a pair of an OrderedDict, `("conv", nn.Conv2d(…))`."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant):
        return str(node.elts[0].value)
    return None


def _below(path: str | None, step: str) -> str | None:
    return None if path is None else path + step


def _is_table(node: ast.Subscript) -> bool:
    """`ACT2FN[config.hidden_act]`: an item of a table that is a constant by its name."""
    return (
        isinstance(node.value, ast.Name) and node.value.id.isupper() and not isinstance(node.slice, ast.Slice)
    )


def _names(function: Function) -> set[str]:
    arguments = function.args
    names = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return names | {n.id for n in walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def literals(node: ast.Call) -> Literals:
    """The arguments of a call that are literals, by position or keyword."""
    given: list[tuple[str | int, ast.expr]] = [*enumerate(node.args)]
    given += [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg is not None]
    return tuple((key, value) for key, part in given for value in _literal(part))


def _literal(node: ast.expr) -> tuple[object, ...]:
    if isinstance(node, (ast.Constant, ast.UnaryOp, ast.Tuple)):
        try:
            return (ast.literal_eval(node),)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return ()
    return ()

"""What a file defines: its names, classes and functions, and which classes are modules, also across local
files."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from bitlens.source.imports import Names, chain, names_of
from bitlens.source.libraries import MODEL_MODULES, MODELS, NOT_MODELS, OTHER_FRAMEWORKS, OTHER_WEIGHTS
from bitlens.source.local_files import Outline, locate, read_outline
from bitlens.source.tree import walk
from bitlens.source.words import words

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEPTH = 4
_MODULE_BASES = words(
    "Module LightningModule PreTrainedModel ModelMixin LightningLite GradientCheckpointingLayer"
)
_NO_MODULES = frozenset({"torch.nn.Parameter", "torch.nn.UninitializedParameter", "torch.nn.Buffer"})


def definitions(nodes: Iterable[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    """Classes and functions at the top level of a file, also under `if`, `try` and `with`."""
    for node in nodes:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            handlers = node.handlers if isinstance(node, ast.Try) else []
            yield from definitions(
                [*node.body, *getattr(node, "orelse", []), *(s for h in handlers for s in h.body)]
            )


class Knowledge:
    """The definitions of one file and questions about them. Reads other files of the project, never runs
    one."""

    def __init__(self, nodes: Iterable[ast.stmt], path: Path, depth: int = 0) -> None:
        nodes = list(nodes)
        self.path = path
        self.depth = depth
        self.names: Names = names_of(nodes)
        self.classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[str, Function] = {}
        self.outline: Outline | None = None
        for node in definitions(nodes):
            self._enter(node)
        self._modules: dict[str, bool] = {}
        self.training: frozenset[str] | None = None
        """Names of the file's functions that take training steps, once somebody asked
        (`slicing.forbidden`)."""
        self.class_tables: dict[str, str] = {}
        self.class_tables = self._class_tables(nodes)
        self._add_star_names()

    @classmethod
    def of_file(cls, path: Path, depth: int) -> Knowledge:
        """What an imported file defines; each definition is read when it is asked for."""
        outline = read_outline(path)
        made = cls(outline.imports, path, depth)
        made.outline = outline
        return made

    def _enter(self, node: ast.ClassDef | Function) -> None:
        if isinstance(node, ast.ClassDef):
            self.classes.setdefault(node.name, node)
        else:
            self.functions.setdefault(node.name, node)

    def defines(self, name: str) -> bool:
        """Whether the file defines a class or function of that name."""
        if self.outline is not None and name not in self.classes and name not in self.functions:
            node = self.outline.definition(name)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                self._enter(node)
        return name in self.classes or name in self.functions

    def _class_tables(self, nodes: list[ast.stmt]) -> dict[str, str]:
        """Tables of module classes, each to its first class: dicts at the top of the file, and what a
        registering
        decorator fills."""
        found: dict[str, str] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                made = self.class_in(node.value)
                if made is not None and isinstance(node.value, ast.Dict):
                    found[node.targets[0].id] = made
        for name, definition in self.classes.items():
            for decorator in definition.decorator_list:
                if self.is_module(name):
                    for table in self._registers_in(decorator):
                        found.setdefault(table, name)
        return found

    def _registers_in(self, decorator: ast.expr) -> set[str]:
        """Names of the tables into which a decorator of this file puts what it decorates."""
        parts = chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if parts is None or parts[0] in self.names.bindings:
            return set()
        function = self.functions.get(parts[0])
        return {parts[0]} if function is None else filled_tables(function)

    def class_in(self, value: ast.expr) -> str | None:
        """The (first) module class that an expression holds: a name, a dict of classes, an item of a
        table."""
        if isinstance(value, ast.Dict):
            return next((made for item in value.values if (made := self.class_in(item)) is not None), None)
        if isinstance(value, ast.IfExp):
            return self.class_in(value.body) or self.class_in(value.orelse)
        if isinstance(value, ast.Subscript):
            return (
                self.class_in(value.value) if isinstance(value.value, ast.Dict) else self._table(value.value)
            )
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and value.func.attr in {"get", "build"}
        ):
            return self._table(value.func.value)
        meaning = self.meaning(value)
        return meaning if self.is_module(meaning) else None

    def _table(self, value: ast.expr) -> str | None:
        return self.class_tables.get(value.id) if isinstance(value, ast.Name) else None

    def _add_star_names(self) -> None:
        """Enter what local files offer through `from x import *`."""
        for module in self.names.stars:
            other = self.other(module)
            if other is None:
                continue
            for name in (*(other.outline or ()), *other.names.bindings):
                joined = f"{module}{name}" if module.endswith(".") else f"{module}.{name}"
                self.names.bindings.setdefault(name, joined)

    def meaning(self, node: ast.expr) -> str | None:
        """The dotted path of a name or chain: a bare name for what the file itself defines."""
        if isinstance(node, ast.Name) and self.defines(node.id):
            return node.id
        return self.names.dotted(node)

    def other(self, module: str) -> Knowledge | None:
        """What the local file behind `module` defines; None if it is not local or too far away."""
        if self.depth >= _DEPTH:
            return None
        path = locate(module, self.path)
        return None if path is None or path == self.path else _knowledge(path, self.depth + 1)

    def origin(self, dotted: str) -> tuple[Knowledge, str] | None:
        """The local file, and the name in it, that a dotted path means."""
        if "." not in dotted:
            return (self, dotted) if self.defines(dotted) else None
        module, _, name = dotted.rpartition(".")
        module = module or "."
        if dotted.startswith(".") and not dotted.lstrip(".").count("."):
            module = dotted[: len(dotted) - len(dotted.lstrip("."))]
        other = self.other(module)
        if other is None:
            return None
        if other.defines(name):
            return other, name
        imported = other.names.bindings.get(name)
        return other.origin(imported) if imported is not None else None

    def is_module(self, dotted: str | None) -> bool:
        """Whether a dotted path names a class of modules: by its bases where they can be read, else by its
        name."""
        if dotted is None or dotted in _NO_MODULES:
            return False
        if dotted not in self._modules:
            self._modules[dotted] = False  # a class that inherits from itself ends here
            self._modules[dotted] = self._is_module(dotted)
        return self._modules[dotted]

    def _is_module(self, dotted: str) -> bool:
        last = dotted.rsplit(".", 1)[-1]
        if dotted.startswith(("torch.nn.", "torch.ao.nn.")):
            return last[:1].isupper() and ".utils." not in dotted and ".functional" not in dotted
        origin = self.origin(dotted)
        if origin is None:
            return _named_like_a_module(dotted, last)
        home, name = origin
        if name not in home.classes:
            return False
        node = home.classes[name]
        if home is not self:
            return home.is_module(name)
        return any(self._is_module_base(base) for base in node.bases) or _builds_layers(node, self)

    def _is_module_base(self, base: ast.expr) -> bool:
        if isinstance(base, ast.Subscript):  # a generic base, `Base[Config]`
            base = base.value
        return self.is_module(self.meaning(base))

    def module_classes(self) -> dict[str, ast.ClassDef]:
        """The classes of this file that are modules, in order."""
        return {name: node for name, node in self.classes.items() if self.is_module(name)}

    def constructor(self, name: str) -> Function | None:
        """The `__init__` (or the dataclass-like absence of one) that a local class really gets."""
        return self._method(name, "__init__", set())

    def _method(self, name: str, method: str, seen: set[str]) -> Function | None:
        node = self.classes.get(name) if self.defines(name) else None
        if node is None or name in seen:
            return None
        seen.add(name)
        for child in node.body:
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and child.name == method:
                return child
        for base in node.bases:
            origin = self.origin(self.meaning(base) or "")
            found = origin[0]._method(origin[1], method, seen) if origin is not None else None
            if found is not None:
                return found
        return None


def filled_tables(function: Function) -> set[str]:
    """Names of the tables that a function fills: `REGISTRY[name] = cls`, also in a function inside it."""
    return {
        target.value.id
        for node in walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)
    }


def _named_like_a_module(dotted: str, last: str) -> bool:
    package = dotted.partition(".")[0]
    if package in sys.stdlib_module_names or package in OTHER_FRAMEWORKS:
        return False
    if not last[:1].isupper() or NOT_MODELS.search(last) or OTHER_WEIGHTS.search(last):
        return False
    if last in _MODULE_BASES or MODELS.search(last) is not None:
        return True
    module = dotted.rpartition(".")[0]
    return MODEL_MODULES.search(module) is not None and not last.isupper()


def _builds_layers(node: ast.ClassDef, knowledge: Knowledge) -> bool:
    """A class whose base cannot be read is a module if it has `forward` and makes layers of torch.nn."""
    methods = {
        child.name: child for child in node.body if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    if not node.bases or "forward" not in methods or "__init__" not in methods:
        return False
    calls = (child for child in walk(methods["__init__"]) if isinstance(child, ast.Call))
    return any((knowledge.names.dotted(call.func) or "").startswith("torch.nn.") for call in calls)


@lru_cache(maxsize=128)
def _cached(path: Path, _changed: int, depth: int) -> Knowledge:
    return Knowledge.of_file(path, depth)


def _knowledge(path: Path, depth: int) -> Knowledge | None:
    try:
        return _cached(path, path.stat().st_mtime_ns, depth)
    except OSError:
        return None


def required_arguments(function: Function | None, bound: bool) -> tuple[str, ...]:
    """Names of the arguments that a call must give; `bound` leaves out the first (self or cls)."""
    if function is None:
        return ()
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if bound else 0 :]
    needed = positional[: len(positional) - len(arguments.defaults)] if arguments.defaults else positional
    keyword = [
        a for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    return tuple(argument.arg for argument in (*needed, *keyword))

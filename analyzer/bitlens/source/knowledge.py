"""What a file defines: its names, classes and functions, and which classes are modules, also across local files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from bitlens.source.imports import Names, names_of
from bitlens.source.libraries import MODEL_MODULES, MODELS, NOT_MODELS
from bitlens.source.local_files import locate, read_nodes

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEPTH = 4
_MODULE_BASES = frozenset(
    "Module LightningModule PreTrainedModel ModelMixin LightningLite GradientCheckpointingLayer".split()
)
_NO_MODULES = frozenset({"torch.nn.Parameter", "torch.nn.UninitializedParameter", "torch.nn.Buffer"})


def definitions(nodes: Iterable[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    """Classes and functions at the top level of a file, also under `if`, `try` and `with`."""
    for node in nodes:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from definitions(child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node)


class Knowledge:
    """The definitions of one file and questions about them. Reads other files of the project, never runs one."""

    def __init__(self, nodes: Iterable[ast.stmt], path: Path, depth: int = 0) -> None:
        nodes = list(nodes)
        self.path = path
        self.depth = depth
        self.names: Names = names_of(nodes)
        self.classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[str, Function] = {}
        for node in definitions(nodes):
            if isinstance(node, ast.ClassDef):
                self.classes.setdefault(node.name, node)
            else:
                self.functions.setdefault(node.name, node)
        self._modules: dict[str, bool] = {}
        self.class_tables = self._class_tables(nodes)
        self._add_star_names()

    def _class_tables(self, nodes: list[ast.stmt]) -> dict[str, str]:
        """Dicts of module classes at the top of the file, each to its first class."""
        found: dict[str, str] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and isinstance(node.targets[0], ast.Name):
                classes = [self.meaning(value) for value in node.value.values]
                modules = [name for name in classes if self.is_module(name)]
                if modules:
                    found[node.targets[0].id] = str(modules[0])
        return found

    def _add_star_names(self) -> None:
        """Enter what local files offer through `from x import *`."""
        for module in self.names.stars:
            other = self.other(module)
            if other is None:
                continue
            for name in (*other.classes, *other.functions, *other.names.bindings):
                joined = f"{module}{name}" if module.endswith(".") else f"{module}.{name}"
                self.names.bindings.setdefault(name, joined)

    def meaning(self, node: ast.expr) -> str | None:
        """The dotted path of a name or chain: a bare name for what the file itself defines."""
        if isinstance(node, ast.Name) and (node.id in self.classes or node.id in self.functions):
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
            return (self, dotted) if dotted in self.classes or dotted in self.functions else None
        module, _, name = dotted.rpartition(".")
        module = module or "."
        if dotted.startswith(".") and not dotted.lstrip(".").count("."):
            module = dotted[: len(dotted) - len(dotted.lstrip("."))]
        other = self.other(module)
        if other is None:
            return None
        if name in other.classes or name in other.functions:
            return other, name
        imported = other.names.bindings.get(name)
        return other.origin(imported) if imported is not None else None

    def is_module(self, dotted: str | None) -> bool:
        """Whether a dotted path names a class of modules: by its bases where they can be read, else by its name."""
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
        node = self.classes.get(name)
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


def _named_like_a_module(dotted: str, last: str) -> bool:
    if not last[:1].isupper() or NOT_MODELS.search(last):
        return False
    if last in _MODULE_BASES or MODELS.search(last) is not None:
        return True
    module = dotted.rpartition(".")[0]
    return MODEL_MODULES.search(module) is not None and not last.isupper()


def _builds_layers(node: ast.ClassDef, knowledge: Knowledge) -> bool:
    """A class whose base cannot be read is a module if it has `forward` and makes layers of torch.nn."""
    methods = {child.name: child for child in node.body if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if not node.bases or "forward" not in methods or "__init__" not in methods:
        return False
    calls = (child for child in ast.walk(methods["__init__"]) if isinstance(child, ast.Call))
    return any((knowledge.names.dotted(call.func) or "").startswith("torch.nn.") for call in calls)


@lru_cache(maxsize=128)
def _cached(path: Path, _changed: int, depth: int) -> Knowledge:
    return Knowledge(read_nodes(path), path, depth)


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
    keyword = [a for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return tuple(argument.arg for argument in (*needed, *keyword))

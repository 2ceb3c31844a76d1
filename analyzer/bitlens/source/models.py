"""Which expressions build a model, by syntax and names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bitlens.source import libraries
from bitlens.source.bindings import assignments, mappings, ordered, own_nodes
from bitlens.source.knowledge import Function, Knowledge
from bitlens.source.library_models import (
    ModelUse,
    from_foreign,
    from_library,
    from_loader,
    is_library_function,
)
from bitlens.source.torch_names import WITHOUT_PARAMETERS

_MODEL_VARIABLE = re.compile(
    r"model|net|encoder|decoder|backbone|teacher|student|generator|discriminator", re.IGNORECASE
)
_STATE = re.compile(r"state|ckpt|checkpoint|weights|params|data", re.IGNORECASE)


class Models:
    """Answers whether an expression builds a model, given what the file defines.

    `variables` maps names that hold models to their class.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._returning: dict[str, tuple[ModelUse, ...]] = {}
        self._open: set[ast.stmt] = set()
        """Functions that are looked into just now: recursion ends at them."""

    def use(self, node: ast.expr, variables: Mapping[str, str], target: str = "") -> ModelUse | None:
        """How `node` builds a model; None if it does not. `target` is the variable that gets it."""
        if isinstance(node, ast.IfExp):
            return self.use(node.body, variables, target) or self.use(node.orelse, variables, target)
        if isinstance(node, ast.NamedExpr):
            return self.use(node.value, variables, target)
        if isinstance(node, ast.Await):
            return self.use(node.value, variables, target)
        if isinstance(node, ast.Call):
            return self._call(node, variables, target)
        return None

    def _call(self, node: ast.Call, variables: Mapping[str, str], target: str) -> ModelUse | None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in libraries.CHAINED:
            inner = self._given(node.func.value, variables)
            if inner is not None:
                return ModelUse("method", inner.class_name, inner.suffix)
        dotted = self.knowledge.meaning(node.func)
        if dotted is None:
            return self._own_method(node) or self._dynamic(node, variables)
        return self._named(node, dotted, variables, target)

    def _given(self, node: ast.expr, variables: Mapping[str, str]) -> ModelUse | None:
        """A model that a call is given: a model expression or a variable that holds one."""
        if isinstance(node, ast.Name) and node.id in variables:
            return ModelUse("copy", variables[node.id])
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in variables
        ):
            return (
                ModelUse("copy", f"{variables[node.value.id]}.{node.attr}") if node.attr in _WHOLE else None
            )
        return self.use(node, variables)

    def _named(
        self, node: ast.Call, dotted: str, variables: Mapping[str, str], target: str
    ) -> ModelUse | None:
        if dotted in libraries.OTHER_ENGINES:
            return ModelUse("external", dotted)
        last = dotted.rsplit(".", 1)[-1]
        if last in libraries.LOADERS:
            return from_loader(node, dotted, self.knowledge)
        if dotted == "copy.deepcopy" or dotted == "copy.copy":
            inner = self._given(node.args[0], variables) if node.args else None
            return ModelUse("copy", inner.class_name) if inner else None
        if libraries.GIVES_BACK.match(dotted):
            return self._given_back(node, variables)
        if dotted.endswith("pipeline") and self._conversion(node, variables) is not None:
            return None  # a pipeline around a model that has a name already
        if is_library_function(dotted):
            return from_library(node, dotted)
        if dotted == _FILE:
            wanted = _MODEL_VARIABLE.search(target) is not None and _STATE.search(target) is None
            wanted &= _MAPPING + target not in variables
            return ModelUse("file", dotted) if wanted else None
        if libraries.library_of(dotted) is not None and last in libraries.RETURNS_MODEL:
            return self._conversion(node, variables)
        if self.knowledge.is_module(dotted) and last not in WITHOUT_PARAMETERS:
            return self._constructor(node, dotted, variables)
        return self._local_function(dotted, node, variables)

    def _own_method(self, node: ast.Call) -> ModelUse | None:
        """`self.build()` where a class of the file has such a method, which gives a model back."""
        func = node.func
        if not (
            isinstance(func, ast.Attribute)
            and isinstance(func.value, ast.Name)
            and func.value.id in {"self", "cls"}
        ):
            return None
        for owner in self.knowledge.classes.values():
            for child in owner.body:
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and child.name == func.attr:
                    return next(self._returned(child), None)
        return None

    def _dynamic(self, node: ast.Call, variables: Mapping[str, str]) -> ModelUse | None:
        """`MODELS["small"](…)`, `cls(…)` of a variable that holds a class, `getattr(torchvision.models,
        name)(…)`."""
        func = node.func
        if isinstance(func, ast.Name):
            made = variables.get(_CLASS + func.id)
            return ModelUse("constructor", made) if made else None
        if (
            isinstance(func, ast.Call)
            and isinstance(func.func, ast.Name)
            and func.func.id == "getattr"
            and func.args
        ):
            module = self.knowledge.meaning(func.args[0]) or ""
            if module.startswith(("torchvision.models", "timm.models")):
                return ModelUse("library", module)
            return None
        made = self.knowledge.class_in(func) if isinstance(func, (ast.Subscript, ast.Call)) else None
        return ModelUse("constructor", made) if made else None

    def _conversion(self, node: ast.Call, variables: Mapping[str, str]) -> ModelUse | None:
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            inner = self._given(argument, variables)
            if inner is not None:
                return ModelUse("conversion", inner.class_name)
        return None

    def _given_back(self, node: ast.Call, variables: Mapping[str, str]) -> ModelUse | None:
        """`weight_norm(nn.Linear(3, 3))` is built with its norm; `weight_norm(layer)` is the layer."""
        given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "module")]
        inner = self._given(given[0], variables) if given else None
        if inner is None or isinstance(given[0], ast.Call):
            return inner
        return replace(inner, kind="method")

    def _constructor(self, node: ast.Call, dotted: str, variables: Mapping[str, str]) -> ModelUse | None:
        if dotted in {"torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel"}:
            return None
        return ModelUse("constructor", dotted)

    def _local_function(self, dotted: str, node: ast.Call, variables: Mapping[str, str]) -> ModelUse | None:
        origin = self.knowledge.origin(dotted)
        if origin is None:
            return from_foreign(dotted)
        home, name = origin
        if name not in home.functions:
            return None
        made = self._made(home, name)
        return made[0] if made else self._passes_through(home.functions[name], node, variables)

    def _made(self, home: Knowledge, name: str) -> tuple[ModelUse, ...]:
        return (self if home is self.knowledge else Models(home)).returned(name)

    def _unpacked(
        self, node: ast.expr, position: int, variables: Mapping[str, str], target: str
    ) -> ModelUse | None:
        """The model at one position of a tuple that a call gives."""
        origin = (
            self.knowledge.origin(self.knowledge.meaning(node.func) or "")
            if isinstance(node, ast.Call)
            else None
        )
        if origin is not None and origin[1] in origin[0].functions:
            made = [use for use in self._made(*origin) if use.suffix == f"[{position}]"]
            return ModelUse("factory", made[0].class_name) if made else None
        use = self.use(node, variables, target)
        if use is None or use.suffix != f"[{position}]":
            return None
        return ModelUse(use.kind, use.class_name)

    def bound(self, node: ast.stmt, variables: Mapping[str, str]) -> Iterator[tuple[str, ast.expr, ModelUse]]:
        """The targets of an assignment that get a model, each with its expression."""
        for target, value, position in assignments(node):
            if position is None and isinstance(value, (ast.List, ast.Dict)):
                yield from self._in_display(target, value, variables)
                continue
            if position is None:
                use = self.use(value, variables, target)
            else:
                use = self._unpacked(value, position, variables, target)
            if use is not None:
                yield target, value, use

    def _passes_through(
        self, function: Function, node: ast.Call, variables: Mapping[str, str]
    ) -> ModelUse | None:
        """A local function that gives back (a copy of) a model that it is given: `model = convert(model)`."""
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        given = dict(zip(names, node.args, strict=False))
        given.update({keyword.arg: keyword.value for keyword in node.keywords if keyword.arg})
        holders = {
            name: use.class_name for name, value in given.items() if (use := self._given(value, variables))
        }
        if not holders:
            return None
        for suffix, value, local in self._returns(function, holders):
            if isinstance(value, ast.Name) and value.id in local:
                return ModelUse("conversion", local[value.id], suffix)
            inner = self.use(value, local)
            if inner is not None:
                return ModelUse("conversion", inner.class_name, suffix)
        return None

    def returned(self, name: str) -> tuple[ModelUse, ...]:
        """The models that a function of this file gives back, alone or in a tuple."""
        if name not in self._returning:
            self._returning[name] = ()  # recursion ends here
            found = self._returned(self.knowledge.functions[name])
            self._returning[name] = tuple({use.suffix: use for use in found}.values())
        return self._returning[name]

    def _returned(self, function: Function) -> Iterator[ModelUse]:
        for suffix, value, local in self._returns(function, {}):
            if isinstance(value, ast.Name) and value.id in local:
                yield ModelUse("factory", local[value.id], suffix)
                continue
            found = self.use(value, local)
            if found is not None:
                yield ModelUse("factory", found.class_name, suffix + found.suffix)

    def _returns(
        self, function: Function, given: dict[str, str]
    ) -> Iterator[tuple[str, ast.expr, dict[str, str]]]:
        if function in self._open:
            return
        self._open.add(function)
        try:
            local = self.variables(function.body, given)
            for node in own_nodes(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    if isinstance(node.value, ast.Tuple):
                        for position, element in enumerate(node.value.elts):
                            yield f"[{position}]", element, local
                    else:
                        yield "", node.value, local
        finally:
            self._open.discard(function)

    def _in_display(
        self, target: str, value: ast.List | ast.Dict, variables: Mapping[str, str]
    ) -> Iterator[tuple[str, ast.expr, ModelUse]]:
        """Models in a list or dict: `models = {"small": Net(8), "large": Net(64)}`."""
        items: Iterable[tuple[ast.expr | None, ast.expr]]
        if isinstance(value, ast.Dict):
            items = zip(value.keys, value.values, strict=True)
        else:
            items = ((ast.Constant(number), element) for number, element in enumerate(value.elts))
        for key, element in items:
            use = self.use(element, variables)
            if use is not None and isinstance(key, ast.Constant):
                yield target, element, replace(use, suffix=f"[{key.value!r}]{use.suffix}")

    def variables(self, body: list[ast.stmt], given: Mapping[str, str]) -> dict[str, str]:
        """Variables that hold a model somewhere in `body`, to its class."""
        found = {name: of for name, of in given.items() if not name.startswith(_MAPPING)}
        files: set[str] = set()
        for node in ordered(body):
            for target, _, use in self.bound(node, found):
                if use.kind != "external":
                    found[target] = use.class_name
                if use.kind == "file":
                    files.add(target)
            for target, value, _ in assignments(node):
                if isinstance(value, ast.Name) and value.id in found:
                    found[target] = found[value.id]
                made = self.knowledge.class_in(value)
                if made is not None and made.rsplit(".", 1)[-1] not in WITHOUT_PARAMETERS:
                    found[_CLASS + target] = made
        for target in files.intersection(mappings(body)) if files else ():
            found[_MAPPING + target] = found[target]
            if found[target] == _FILE:
                del found[target]
        return found


_CLASS = "class "
"""Marks, among variables, one that holds a class instead of a model."""
_MAPPING = "mapping "
"""Marks one that holds what a file has, but no model, in its own scope."""
_FILE = "torch.load"
_WHOLE = frozenset({"module", "model", "base_model"})

"""Which statements change an object in place: a model, a list of layers, a configuration, a parser."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from bitlens.source.knowledge import Function, Knowledge, filled_tables
from bitlens.source.libraries import CHAINED, NOT_A_CHANGE, RETURNS_MODEL, library_of
from bitlens.source.slicing.effects import Definition, parameters, root_variable
from bitlens.source.slicing.forbidden import in_training_loop, is_output, is_training_function
from bitlens.source.slicing.scopes import LOOPS, Atom, Scope, Touches, scope_of
from bitlens.source.tree import walk
from bitlens.source.words import words

_REACHES = CHAINED | words(
    """
    parameters named_parameters modules named_modules children named_children buffers named_buffers
    get_submodule get_parameter items values get pop setdefault get_input_embeddings get_output_embeddings
    get_base_model add_argument_group add_mutually_exclusive_group add_subparsers add_parser
    """
)
"""Methods whose value is (or iterates over) a part of the object itself."""
_PASSES = words("list tuple enumerate zip reversed iter next sorted filter getattr dict set chain vars")
_CHANGING = re.compile(
    r"^(load|set|freeze|unfreeze|fuse|quantize|half|float|double|bfloat16|to|type|init|_init|reset|resize|tie|register|add"
    r"|apply|enable|disable|merge|unmerge|unload|prune|convert|prepare|replace|inject|patch|swap|insert|append|extend"
    r"|update|pop|remove|delete|cast|cache|dequantize|requantize|freeze|create_extended|modify|surgery|wrap|make_|build"
    r"|reinit|clip_weights|quant|calibrate_weights|mark_only|copy|fill|configure|cuda|cpu|eval|train|setup|shuffle|parse)"
    r"(?![a-z])|[a-z]_$"
)
"""First words (or the in-place ending) of functions and methods that change what they are given."""
GIVEN = ""
"""The class of a function's parameter: unknown. Setting its mode is not what a function is called for."""
_MODE = frozenset({"eval", "train"})
_NEVER = frozenset(
    {"requires_grad_and_", "train_model", "set_epoch", "set_description", "set_postfix", "zero_grad"}
)
_KNOWN = re.compile(
    r"^(torch\.nn\.init\.|torch\.nn\.utils\.(prune|parametrize|parametrizations|fusion|stateless)\."
    r"|torch\.nn\.utils\.(weight_norm|spectral_norm|remove_\w+|vector_to_parameters)|safetensors\.torch\.load_model"
    r"|accelerate\.(load_checkpoint|dispatch_model)|random\.shuffle|numpy\.random\.shuffle|setattr$|delattr$)"
)


class Changes(Touches):
    """The names whose object an atom changes, in one scope. `models` holds the names of models, to their
    class."""

    def __init__(
        self, scope: Scope, knowledge: Knowledge, models: Mapping[str, str], library: FunctionChanges
    ) -> None:
        self.scope = scope
        self.knowledge = knowledge
        self.models = models
        self.library = library
        self.aliases = self._aliases()
        self._cache: dict[Atom, set[str]] = {}

    def __call__(self, atom: Atom) -> set[str]:
        """Names whose object the atom changes, with everything of which it is a part."""
        if atom not in self._cache:
            direct = set() if is_output(atom, self.knowledge) else self._direct(atom)
            self._cache[atom] = self._with_wholes(direct)
        return self._cache[atom]

    def _aliases(self) -> dict[str, set[str]]:
        """Names that hold (a part of) another name's object, to these names."""
        found: dict[str, set[str]] = {}
        for atom in self.scope.atoms:
            for target, value in _pairs(atom.node):
                name = root_variable(target, self.scope.owner)
                wholes = self._parts_of(value)
                if name is not None and isinstance(target, (ast.Name, ast.Attribute)) and wholes - {name}:
                    found.setdefault(name, set()).update(wholes - {name})
        return found

    def _parts_of(self, value: ast.expr) -> set[str]:
        if isinstance(value, ast.Call):
            method = value.func.attr if isinstance(value.func, ast.Attribute) else None
            if method in _REACHES and isinstance(value.func, ast.Attribute):
                return self._parts_of(value.func.value)
            if (method or getattr(value.func, "id", None)) in _PASSES:
                return set().union(*(self._parts_of(argument) for argument in value.args))
            return set()
        if isinstance(value, ast.IfExp):
            return self._parts_of(value.body) | self._parts_of(value.orelse)
        if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
            inner = value.value if isinstance(value, (ast.Attribute, ast.Subscript)) else value
            if isinstance(inner, ast.Call):
                return self._parts_of(inner)
            name = root_variable(value, self.scope.owner)
            return set() if name is None or name in self.knowledge.names.bindings else {name}
        return set()

    def _with_wholes(self, names: Iterable[str]) -> set[str]:
        result: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in result:
                result.add(name)
                waiting += self.aliases.get(name, ())
        return result

    def _direct(self, atom: Atom) -> set[str]:
        if isinstance(atom.node, Definition):
            return self._registered(atom)
        found = set(atom.effects.stores)
        statement = isinstance(atom.node, ast.Expr)
        looped = any(isinstance(block.header.node, LOOPS) for block in atom.blocks)
        for call in atom.effects.calls:
            found |= self._by_call(call, statement, looped)
        return found

    def _registered(self, atom: Atom) -> set[str]:
        """A decorator that stands for a table (`@MODELS.register()`, `@register("x")`) changes that table."""
        node = atom.node
        found: set[str] = set()
        for decorator in getattr(node, "decorator_list", []):
            func = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = root_variable(func)
            if name is None or name in self.knowledge.names.bindings:
                continue
            found.add(name)
            if name in self.knowledge.functions:
                found |= filled_tables(self.knowledge.functions[name])
        return found - {"property", "staticmethod", "classmethod"}

    def _by_call(self, call: ast.Call, statement: bool, looped: bool) -> set[str]:
        dotted = self.knowledge.meaning(call.func)
        if dotted is None and isinstance(call.func, ast.Attribute):
            return self._by_method(call, call.func, statement, looped)
        name = dotted or (call.func.id if isinstance(call.func, ast.Name) else None)
        return set() if name is None else self._by_function(call, name, statement)

    def _by_method(self, call: ast.Call, func: ast.Attribute, statement: bool, looped: bool) -> set[str]:
        found: set[str] = set()
        bases = self._parts_of(func.value)
        base = root_variable(func.value, self.scope.owner)
        own = base is not None and base not in self.knowledge.names.bindings
        if own and bases and self._method_changes(func, str(base), statement, looped):
            found |= bases
        if statement and _CHANGING.search(func.attr) and func.attr not in _MODE:
            for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
                found |= {name for name in self._parts_of(argument) if name in self._known_models()}
        return found

    def _known_models(self) -> set[str]:
        return {
            name for name in (*self.models, *self.aliases) if self._with_wholes([name]) & set(self.models)
        }

    def _method_changes(self, func: ast.Attribute, base: str, statement: bool, looped: bool) -> bool:
        method = func.attr
        if method in _NEVER:
            return False
        if self._with_wholes([base]) & set(self.models):
            if method in _MODE:
                return statement and not looped and self.models.get(base) != GIVEN
            own = self._own_method(func, base)
            if own is not None:
                return own
            return _CHANGING.search(method) is not None and method not in {"to_json", "to_dict", "copy"}
        return statement or method in {"pop", "popitem", "setdefault"}

    def _own_method(self, func: ast.Attribute, base: str) -> bool | None:
        """Whether a method of a local class changes self; None if its source is not known."""
        class_name = self.models.get(base)
        origin = (
            self.knowledge.origin(class_name) if class_name and isinstance(func.value, ast.Name) else None
        )
        if origin is None or origin[1] not in origin[0].classes:
            return None
        method = origin[0]._method(origin[1], func.attr, set())
        if method is None or not parameters(method.args):
            return None
        return parameters(method.args)[0] in self.library.changed(method, origin[0])

    def _by_function(self, call: ast.Call, name: str, statement: bool) -> set[str]:
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        if name in self.knowledge.functions:
            return self._by_local_function(call, self.knowledge.functions[name])
        last = name.rsplit(".", 1)[-1]
        first = set().union(*(self._parts_of(argument) for argument in arguments[:1]))
        if _KNOWN.match(name):
            return set().union(*map(self._parts_of, arguments)) if last == "vector_to_parameters" else first
        if name in NOT_A_CHANGE or name in self.knowledge.classes:
            return set()
        if library_of(name) is not None:
            copies = last in RETURNS_MODEL and not statement and not _is_in_place(call)
            return set() if copies else first
        if statement and (_CHANGING.search(last) or name in {"map", "exec"}) and last not in _MODE:
            return first
        return set()

    def _by_local_function(self, call: ast.Call, function: Function) -> set[str]:
        changed = self.library.changed(function, self.knowledge)
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        given = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
        found = set().union(*(self._parts_of(value) for name, value in given if name in changed), set())
        return found | self.library.globals_of(function)


def _is_in_place(call: ast.Call) -> bool:
    return any(
        k.arg == "inplace" and not (isinstance(k.value, ast.Constant) and not k.value.value)
        for k in call.keywords
    )


def _pairs(node: ast.stmt) -> list[tuple[ast.expr, ast.expr]]:
    """Targets and what they get: assignments, loops, `with`, and the generators of comprehensions."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        pairs = [(node.target, node.value)]
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        pairs = [(node.target, node.iter)]
    elif isinstance(node, ast.Expr):
        pairs = [(child.target, child.iter) for child in walk(node) if isinstance(child, ast.comprehension)]
    return [pair for target, value in pairs for pair in _unpacked(target, value)]


def _unpacked(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if not isinstance(target, (ast.Tuple, ast.List)):
        return [(target, value)]
    if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
        return [
            pair for one, other in zip(target.elts, value.elts, strict=True) for pair in _unpacked(one, other)
        ]
    return [pair for element in target.elts for pair in _unpacked(element, value)]


class FunctionChanges:
    """Which parameters the functions of a program change; each function is looked at once."""

    def __init__(self) -> None:
        self._changed: dict[Function, frozenset[str]] = {}

    def changed(self, function: Function, knowledge: Knowledge) -> frozenset[str]:
        """Names of the parameters whose object the function changes. A training function counts for none."""
        if function not in self._changed:
            self._changed[function] = frozenset()  # recursion ends here
            self._changed[function] = self._look(function, knowledge)
        return self._changed[function]

    def _look(self, function: Function, knowledge: Knowledge) -> frozenset[str]:
        if is_training_function(function, knowledge):
            return frozenset()
        names = parameters(function.args)
        scope = scope_of([(node, 0) for node in function.body], function)
        touches = Changes(scope, knowledge, dict.fromkeys(names, GIVEN), self)
        changed = set().union(
            *(touches(atom) for atom in scope.atoms if not in_training_loop(atom, knowledge)), set()
        )
        return frozenset(changed & set(names))

    def globals_of(self, function: Function) -> set[str]:
        """Names that a function declares global, so that calling it may bind them."""
        found: set[str] = set()
        for node in walk(function):
            if isinstance(node, ast.Global):
                found.update(node.names)
        return found

"""Which models a file has, and how a root without arguments is built."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, Function
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.symbolic import Symbolic
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Instance,
    Lazy,
    ModuleInstance,
    Unknown,
)
from bitlens.source.hollow import filled
from bitlens.source.statements import SourceFile
from bitlens.source.torch_names import WITHOUT_PARAMETERS
from bitlens.source.tree import children, walk

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


@dataclass(frozen=True, slots=True)
class Roots:
    """What a file offers to be looked at as a model, by name."""

    variables: tuple[str, ...] = ()
    """Those of the file's own level that hold models."""
    unused: tuple[str, ...] = ()
    """Module classes that nothing else in the file builds."""
    factories: tuple[str, ...] = ()
    """Functions that build a model by their defaults."""
    classes: tuple[str, ...] = ()
    """Every module class."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The first that there are, factories left out."""
        return self.variables or self.unused or self.classes


def find_roots(machine: Machine, module: Namespace, source: SourceFile) -> Roots:
    """The models of a file whose top level was evaluated."""
    variables = tuple(name for name, value in module.vars.items() if type(value) is ModuleInstance)
    if variables:
        return Roots(variables)
    classes: dict[str, ClassValue] = {}
    naming = [(node, _used_names(node)) for statement in source.statements for node in statement.nodes]
    used = {name for _, names in naming for name in names}
    for node, _ in naming:
        if isinstance(node, ast.ClassDef):
            value = module.vars.get(node.name)
            value = value.force() if type(value) is Lazy else value
            if isinstance(value, ClassValue) and value.is_module:
                classes[node.name] = value
    bases = {base.name for cls in classes.values() for base in cls.mro[1:] if isinstance(base, ClassValue)}
    free = [name for name in classes if name not in used]
    unused = [name for name in free if name not in bases] or free
    return Roots((), tuple(unused), _factories(machine, module, naming, set(classes)), tuple(classes))


def _is_layer(machine: Machine, module: Namespace, called: ast.expr) -> bool:
    """Whether a call is that of a class of torch.nn that holds weights or other layers."""
    names: list[str] = []
    while isinstance(called, ast.Attribute):
        names.append(called.attr)
        called = called.value
    if not isinstance(called, ast.Name) or [*names, called.id][0] in WITHOUT_PARAMETERS:
        return False
    found = module.vars.get(called.id, MISSING)
    found = found.force() if type(found) is Lazy else found
    for name in reversed(names):
        found = machine.getattr(found, name, MISSING) if type(found) is Namespace else MISSING
    return isinstance(found, ClassValue) and found in machine.torch_classes.values()


def _factories(
    machine: Machine, module: Namespace, naming: Sequence[tuple[ast.stmt, set[str]]], classes: set[str]
) -> tuple[str, ...]:
    """Functions like `resnet18()`: they need no argument, give something back, and name a module class of the
    file, build layers of torch, or name another function that does.

    One that only has layers of torch is left out where a class or another such function uses it.
    """
    functions = {node.name: node for node, _ in naming if isinstance(node, ast.FunctionDef)}
    giving = {
        node.name: names for node, names in naming if isinstance(node, ast.FunctionDef) and _gives(node)
    }
    assembling = {name for name in giving if _assembles(machine, module, functions[name])}
    helpers = {name for node, names in naming if isinstance(node, ast.ClassDef) for name in names}
    helpers = helpers.union(*giving.values())
    building = _reaching(giving, classes) | (_reaching(giving, assembling) | assembling) - helpers
    return tuple(name for name, node in functions.items() if name in building and _is_ready(node))


def _reaching(giving: dict[str, set[str]], sources: set[str]) -> set[str]:
    """Functions that name one of the sources, or another such function."""
    reached: set[str] = set()
    found = sources
    while found:
        found = {name for name, used in giving.items() if name not in reached and not used.isdisjoint(found)}
        reached |= found
    return reached


def _assembles(machine: Machine, module: Namespace, function: ast.FunctionDef) -> bool:
    """Whether a function builds layers of torch itself."""
    calls = (part.func for part in walk(filled(function)) if isinstance(part, ast.Call))
    return any(_is_layer(machine, module, called) for called in calls)


def _gives(node: ast.FunctionDef) -> bool:
    return any(isinstance(part, ast.Return) and part.value is not None for part in walk(filled(node)))


def _is_ready(node: ast.FunctionDef) -> bool:
    """Whether a function is for others to call, and can be called without arguments."""
    positional = [*node.args.posonlyargs, *node.args.args]
    needs = len(positional) > len(node.args.defaults) or None in node.args.kw_defaults
    return not needs and not node.name.startswith("_")


def _used_names(node: ast.stmt) -> set[str]:
    """Names that a statement calls or hands on, its own class's name and its bases left out."""
    own = {node.name} if isinstance(node, ast.ClassDef | ast.FunctionDef) else set()
    skipped = {id(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
    names: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        part = pending.pop()
        if id(part) in skipped:
            continue
        if isinstance(part, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in part.targets
        ):
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            names.add(part.id)
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            # Annotations build nothing.
            pending.extend(filled(part).body)
            pending.extend(part.args.defaults)
            pending.extend(part.decorator_list)
            continue
        if isinstance(part, ast.AnnAssign):
            pending.extend(child for child in (part.target, part.value) if child is not None)
            continue
        pending.extend(children(part))
    return names - own


def build(machine: Machine, value: Any, config: Any, started: list[ModuleInstance]) -> Any:
    """Call a class or function with its defaults; what has none is made up: a default configuration, or an
    unknown.

    `config` is None, the content of a configuration file, or what stands for the configuration itself.
    """
    function, skip = _constructor(value)
    arguments: dict[str, Any] = {}
    if function is not None:
        arguments = _missing_arguments(machine, value, function, skip, config)
    if isinstance(value, ClassValue) and value.is_module and value.metaclass is None:
        made = machine.classes.new(value, [])
        if isinstance(made, ModuleInstance):
            started.append(made)
        machine.classes.initialize(made, [], arguments)
        return made
    return machine.call(value, [], arguments)


def _constructor(value: Any) -> tuple[Function | None, int]:
    if isinstance(value, ClassValue):
        found = value.lookup("__init__")
        return (found, 1) if isinstance(found, Function) else (None, 0)
    if isinstance(value, BoundMethod):
        return (value.func, 1) if isinstance(value.func, Function) else (None, 0)
    return (value, 0) if isinstance(value, Function) else (None, 0)


def _required(machine: Machine, value: Any, function: Function, skip: int) -> list[str]:
    code = function.code
    required = code.args[skip : len(code.args) - len(function.defaults)]
    required = [*required, *(name for name in code.kwonly if name not in function.kw_defaults)]
    if "config" not in required and _has_optional_configuration(machine, value, function):
        required = [*required, "config"]
    return required


def _missing_arguments(
    machine: Machine, value: Any, function: Function, skip: int, config: Any
) -> dict[str, Any]:
    code = function.code
    required = _required(machine, value, function, skip)
    if config is not None and not isinstance(config, dict):
        taker = _taker(required, code.args[skip:])
        given = {} if taker is None else {taker: config}
        return {**_missing_arguments(machine, value, function, skip, None), **given}
    arguments = {name: _made_up(machine, value, function, name, config) for name in required}
    if not required and config is not None:
        arguments.update(
            {name: item for name, item in config.items() if name in code.args or name in code.kwonly}
        )
    return arguments


def _taker(required: list[str], every: list[str]) -> str | None:
    """The argument that takes a configuration: the one that is called so, else the first."""
    named = [name for name in (*required, *every) if name in _CONFIGURATIONS]
    return next(iter([*named, *required, *every]), None)


_CONFIGURATIONS = ("config", "cfg", "configuration", "args", "hparams", "opt", "params")
_WHOLE = ("config", "cfg", "args")
"""Arguments that take all of a configuration file, as a dict, where nothing says what class they want."""


def written_call(machine: Machine, module: Namespace, name: str, value: Any, config: Any) -> str | None:
    """The call that `build` makes, as Python text; None where an argument of it is made up."""
    function, skip = _constructor(value)
    if function is None:
        return None
    required = _required(machine, value, function, skip)
    if isinstance(config, str):
        taker = _taker(required, function.code.args[skip:])
        if taker is None or set(required) - {taker}:
            return None
        return f"{name}({taker}={config})"
    texts = {argument: _written(machine, module, value, function, argument, config) for argument in required}
    if not required and config is not None:
        allowed = {*function.code.args[skip:], *function.code.kwonly}
        texts = {argument: repr(item) for argument, item in config.items() if argument in allowed}
    if None in texts.values():
        return None
    return f"{name}({', '.join(f'{argument}={text}' for argument, text in texts.items())})"


def _written(
    machine: Machine,
    module: Namespace,
    value: Any,
    function: Function,
    argument: str,
    config: dict[str, Any] | None,
) -> str | None:
    kind = _kind(machine, value, function, argument)
    if not isinstance(kind, ClassValue) or kind.is_module:
        if config is not None and argument not in config and argument in _WHOLE:
            return repr(config)
        return repr(config[argument]) if config is not None and argument in config else None
    values = _fields(kind, config)
    init = kind.lookup("__init__")
    needed = _required(machine, kind, init, 1) if isinstance(init, Function) else []
    if set(needed) - values.keys() or kind.module is None:
        return None
    given = f"**{values!r}" if values else ""
    if machine.imports.get(module, kind.name) is kind:
        return f"{kind.name}({given})"
    return f'__import__("{kind.module.name}", fromlist=["{kind.name}"]).{kind.name}({given})'


def _has_optional_configuration(machine: Machine, value: Any, function: Function) -> bool:
    """Whether a model class takes a configuration or, without one, its parts ready made."""
    if not isinstance(value, ClassValue) or not value.is_module or "config" not in function.code.args:
        return False
    return isinstance(machine.getattr(value, "config_class", None), ClassValue)


def _kind(machine: Machine, value: Any, function: Function, name: str) -> Any:
    """The class of which a parameter takes an object, if anything says so."""
    kind = _annotated(machine, function, name)
    if name in ("config", "cfg", "configuration") and isinstance(value, ClassValue):
        declared = value.lookup("config_class")
        declared = declared.force() if type(declared) is Lazy else declared
        kind = declared if isinstance(declared, ClassValue) else kind
    return kind


def _made_up(
    machine: Machine, value: Any, function: Function, name: str, config: dict[str, Any] | None
) -> Any:
    kind = _kind(machine, value, function, name)
    if isinstance(kind, ClassValue) and not kind.is_module:
        return _default_instance(machine, kind, config)
    if config is not None and name in config:
        return config[name]
    if config is not None and name in _WHOLE:
        made = Instance(ClassValue("Configuration", [dict], {}))
        made.host = dict(config)
        made.attrs.update(config)
        return made
    if kind in (int, MISSING) or isinstance(kind, Unknown):
        return Symbolic.named(name) if kind is int or not name.startswith("config") else Unknown(name)
    return Unknown(f"the argument {name!r}")


def _fields(kind: ClassValue, config: dict[str, Any] | None) -> dict[str, Any]:
    """What of a configuration file a class takes; a transformers configuration takes everything."""
    values = {key: item for key, item in (config or {}).items() if isinstance(key, str)}
    if kind.fields is None or "PreTrainedConfig" in {getattr(base, "name", "") for base in kind.mro}:
        return values
    return {key: item for key, item in values.items() if key in kind.fields}


def _default_instance(machine: Machine, kind: ClassValue, config: dict[str, Any] | None) -> Any:
    values = _fields(kind, config)
    init = kind.lookup("__init__")
    if isinstance(init, Function):
        missing = _missing_arguments(machine, kind, init, 1, None)
        values = {**{name: item for name, item in missing.items() if name not in values}, **values}
    return machine.call(kind, [], values)


def _annotated(machine: Machine, function: Function, name: str) -> Any:
    """The class that a parameter is annotated with; MISSING without annotation."""
    from bitlens.source.evaluate.compile_statements import Statements
    from bitlens.source.evaluate.scope import Frame

    arguments = function.code.arguments
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    annotation = next((argument.annotation for argument in every if argument.arg == name), None)
    if annotation is None:
        return MISSING
    frame = Frame(function.module.vars, function.module)
    thunk = Statements(machine, 0).expression(annotation)
    found = machine.classes.annotation(thunk, frame)
    if isinstance(found, str):
        found = machine.imports.get(function.module, found) if found.isidentifier() else UNKNOWN
    if isinstance(found, tuple):
        found = next((option for option in found if option is not type(None)), UNKNOWN)
    return found

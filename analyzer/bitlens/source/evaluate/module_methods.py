"""The methods of `nn.Module` that matter for what a model is made of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.forwards import called, of_layer
from bitlens.source.evaluate.values import (
    UNKNOWN,
    DType,
    Instance,
    Iter,
    ModuleInstance,
    Tensor,
    Unknown,
    next_number,
)

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

Method = Callable[["Machine", Any, list[Any], dict[str, Any]], Any]


def walk(root: ModuleInstance, prefix: str = "") -> Iterator[tuple[str, ModuleInstance]]:
    """`named_modules()`: every module once, in torch's order, without recursion."""
    seen: set[int] = set()
    pending: list[tuple[str, ModuleInstance]] = [(prefix, root)]
    while pending:
        path, module = pending.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield path, module
        children = [
            (f"{path}.{name}" if path else name, child)
            for name, child in module.modules.items()
            if isinstance(child, ModuleInstance)
        ]
        pending.extend(reversed(children))


def _argument(args: list[Any], kwargs: dict[str, Any], index: int, name: str, default: Any = None) -> Any:
    return args[index] if len(args) > index else kwargs.get(name, default)


def _init(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    return None


def _itself(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return target


def _add_module(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    name = machine.host_value(_argument(args, kwargs, 0, "name"))
    module = _argument(args, kwargs, 1, "module")
    if isinstance(module, ModuleInstance):
        machine.set_member(target, name, module)
    elif isinstance(name, str) and (module is None or isinstance(module, Unknown)):
        target.modules[name] = module


def _register_parameter(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    name, value = _argument(args, kwargs, 0, "name"), _argument(args, kwargs, 1, "param")
    if isinstance(name, str):
        target.attrs.pop(name, None)
        target.params[name] = value if isinstance(value, Tensor) else None
    elif value is not None:
        machine.set_member(target, name, value)


def _register_buffer(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    name, value = _argument(args, kwargs, 0, "name"), _argument(args, kwargs, 1, "tensor")
    if isinstance(name, str):
        target.attrs.pop(name, None)
        unknown = Tensor(None, machine.default_dtype)
        target.buffers[name] = value if isinstance(value, Tensor) or value is None else unknown
        if _argument(args, kwargs, 2, "persistent", True) is False:
            target.transient.add(name)


def parameters_of(root: ModuleInstance) -> Iterator[tuple[str, Tensor]]:
    """`named_parameters()`, each tensor once."""
    seen: set[int] = set()
    for path, module in walk(root):
        for name, value in module.params.items():
            if isinstance(value, Tensor) and id(value) not in seen:
                seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value


def _buffers_of(root: ModuleInstance) -> Iterator[tuple[str, Tensor]]:
    for path, module in walk(root):
        for name, value in module.buffers.items():
            if isinstance(value, Tensor):
                yield (f"{path}.{name}" if path else name), value


def _listing(items: Callable[[ModuleInstance], Iterator[tuple[str, Any]]], named: bool) -> Method:
    def method(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        pairs = list(items(target))
        machine.allocate(len(pairs))
        tensors = items in (parameters_of, _buffers_of)
        if tensors and _argument(args, kwargs, int(named), "recurse", True) is False:
            pairs = [(name, value) for name, value in pairs if "." not in name]
        prefix = _argument(args, kwargs, 0 if tensors else 1, "prefix", "") if named else ""
        if prefix and named:
            pairs = [(f"{prefix}.{name}" if name else prefix, value) for name, value in pairs]
        return Iter(iter(pairs if named else [value for _, value in pairs]))

    return method


def children_of(root: ModuleInstance) -> Iterator[tuple[str, Any]]:
    """`named_children()`."""
    seen: set[int] = set()
    for name, child in root.modules.items():
        if isinstance(child, ModuleInstance) and id(child) not in seen:
            seen.add(id(child))
            yield name, child


def _apply(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`apply` initialises weights, which changes no shape."""
    return target


def cast(target: ModuleInstance, dtype: DType) -> None:
    """Convert floating tensors in place."""
    for _, module in walk(target):
        for table in (module.params, module.buffers):
            for value in table.values():
                if isinstance(value, Tensor) and (value.dtype is None or value.dtype.kind == "float"):
                    value.dtype = dtype


def _cast_to(name: str) -> Method:
    def method(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        cast(target, machine.dtypes[name])
        return target

    return method


def _to(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    dtype = kwargs.get("dtype", next((arg for arg in args if isinstance(arg, DType)), None))
    tensor = next((arg for arg in args if isinstance(arg, Tensor)), None)
    dtype = tensor.dtype if tensor is not None else dtype
    if isinstance(dtype, DType):
        cast(target, dtype)
    return target


def _requires_grad(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    grad = _argument(args, kwargs, 0, "requires_grad", True)
    for _, value in parameters_of(target):
        value.requires_grad = grad is not False
    return target


def _train(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`train(mode)` goes down by the methods of the children, which a program may have changed."""
    mode = _argument(args, kwargs, 0, "mode", True)
    target.attrs["training"] = mode
    for _, child in children_of(target):
        machine.call_method(child, "train", [mode], {})
    return target


def submodule(target: Any, path: str) -> Any:
    """`get_submodule`; None where the path leads nowhere."""
    for name in path.split(".") if path else ():
        target = target.modules.get(name) if isinstance(target, ModuleInstance) else None
    return target


def _get_submodule(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    path = _argument(args, kwargs, 0, "target")
    found = submodule(target, path) if isinstance(path, str) else UNKNOWN
    if found is None:
        raise machine.error("AttributeError", f"no submodule {path!r}")
    return found


def _get_tensor(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    path = _argument(args, kwargs, 0, "target")
    if not isinstance(path, str):
        return UNKNOWN
    owner, _, name = path.rpartition(".")
    module = submodule(target, owner)
    for table in (module.params, module.buffers) if isinstance(module, ModuleInstance) else ():
        if name in table:
            return table[name]
    raise machine.error("AttributeError", f"no tensor {path!r}")


def _state_dict(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return dict([*parameters_of(target), *_buffers_of(target)])


def _setattr(machine: Machine, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return machine.plain_setattr(target, args[0], args[1])


def copied(value: Any, memo: dict[int, Any]) -> Any:
    """`copy.deepcopy` of a value; classes, functions and dtypes stay the same."""
    if id(value) in memo:
        return memo[id(value)][0]
    made: Any = value
    if isinstance(value, ModuleInstance):
        return _copied_module(value, memo)
    if isinstance(value, Tensor):
        made = copy.copy(value)
        made.number = next_number()
        made.attrs = dict(value.attrs)
    elif isinstance(value, Instance):
        made = Instance(value.cls)
        memo[id(value)] = (made, value)
        made.attrs = {name: copied(item, memo) for name, item in value.attrs.items()}
        made.host = copied(value.host, memo)
    elif type(value) in (list, set):
        made = type(value)(copied(item, memo) for item in value)
    elif isinstance(value, tuple):
        made = tuple(copied(item, memo) for item in value)
    elif isinstance(value, dict):
        made = copy.copy(value)
        made.clear()
        made.update((key, copied(item, memo)) for key, item in value.items())
    memo[id(value)] = (made, value)
    return made


def _copied_module(value: ModuleInstance, memo: dict[int, Any]) -> ModuleInstance:
    made = ModuleInstance(value.cls, value.site, value.doubt, value.inner)
    made.clone = True
    made.repeats = value.repeats
    memo[id(value)] = (made, value)
    made.attrs = {name: copied(item, memo) for name, item in value.attrs.items()}
    for table in ("modules", "params", "buffers"):
        setattr(made, table, {name: copied(item, memo) for name, item in getattr(value, table).items()})
    made.transient = set(value.transient)
    made.alternatives = {name: list(items) for name, items in value.alternatives.items()}
    return made


METHODS: dict[str, Method] = {
    "__init__": _init,
    "__call__": lambda machine, target, args, kwargs: called(machine, target, args, kwargs),
    "forward": lambda machine, target, args, kwargs: of_layer(machine, target, args),
    "__setattr__": _setattr,
    "add_module": _add_module,
    "register_module": _add_module,
    "register_parameter": _register_parameter,
    "register_buffer": _register_buffer,
    "apply": _apply,
    "named_modules": _listing(walk, named=True),
    "modules": _listing(walk, named=False),
    "named_children": _listing(children_of, named=True),
    "children": _listing(children_of, named=False),
    "named_parameters": _listing(parameters_of, named=True),
    "parameters": _listing(parameters_of, named=False),
    "named_buffers": _listing(_buffers_of, named=True),
    "buffers": _listing(_buffers_of, named=False),
    "state_dict": _state_dict,
    "get_submodule": _get_submodule,
    "get_parameter": _get_tensor,
    "get_buffer": _get_tensor,
    "half": _cast_to("float16"),
    "float": _cast_to("float32"),
    "double": _cast_to("float64"),
    "bfloat16": _cast_to("bfloat16"),
    "to": _to,
    "type": _to,
    "requires_grad_": _requires_grad,
    "train": _train,
    "eval": lambda machine, target, args, kwargs: machine.call_method(target, "train", [False], {}),
    **dict.fromkeys(("cuda", "cpu", "to_empty", "share_memory", "xpu", "mps", "compile"), _itself),
    **{
        name: lambda machine, target, args, kwargs: Unknown("not run")
        for name in (
            "register_forward_hook",
            "register_forward_pre_hook",
            "register_full_backward_hook",
            "register_backward_hook",
            "_register_load_state_dict_pre_hook",
            "register_load_state_dict_post_hook",
            "register_load_state_dict_pre_hook",
            "register_state_dict_pre_hook",
            "_register_state_dict_hook",
            "load_state_dict",
            "zero_grad",
            "extra_repr",
            "_get_name",
            "reset_parameters",
        )
    },
}

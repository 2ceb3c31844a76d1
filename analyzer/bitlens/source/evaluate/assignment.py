"""Writing and deleting attributes."""

from __future__ import annotations

from typing import Any

from bitlens.source.evaluate.attributes import Attributes
from bitlens.source.evaluate.callables import (
    BoundMethod,
    Function,
    HostMethod,
    Native,
    Partial,
    PropertyValue,
)
from bitlens.source.evaluate.host_methods import call_host
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.values import (
    MISSING,
    UNNAMED,
    ClassValue,
    Instance,
    ModuleInstance,
    Tensor,
    Unknown,
)

_CHANGING = frozenset(
    [
        "append",
        "appendleft",
        "extend",
        "insert",
        "remove",
        "pop",
        "popleft",
        "popitem",
        "clear",
        "sort",
        "reverse",
        "update",
        "setdefault",
        "add",
        "discard",
        "move_to_end",
        "intersection_update",
        "difference_update",
        "symmetric_difference_update",
        "__init__",
        "__setattr__",
    ]
)
"""Methods that change a list, dict or set."""


class Assignment(Attributes):
    """`target.name = value` for every kind of value."""

    def _note_host_change(self, target: HostMethod, args: list[Any]) -> None:
        value = args[0] if isinstance(target.target, type) and args else target.target
        if isinstance(value, Instance):
            self.repetition.changed_object(value.number)
        elif isinstance(value, list | dict | set):
            self.repetition.changed_host(value)

    def setattr(self, target: Any, name: Any, value: Any) -> None:
        """`target.name = value`; a name that is not known is noted for the children of a module alone."""
        if isinstance(name, Unknown):
            if isinstance(target, ModuleInstance):
                self.set_member(target, name, value)
        elif isinstance(target, Instance):
            custom = target.cls.lookup("__setattr__")
            if custom is not MISSING:
                self.call(custom, [target, name, value], {})
            else:
                self.plain_setattr(target, name, value)
        elif isinstance(target, ClassValue):
            self.repetition.changed_anything()
            self.undoing.attribute(target.ns, name)
            target.set(name, value)
        elif isinstance(target, Namespace):
            self.repetition.changed_anything()
            self.undoing.attribute(target.vars, name)
            target.vars[name] = value
        elif isinstance(target, Tensor):
            self._set_on_tensor(target, name, value)
        elif isinstance(target, Function | Native | Partial):
            self.repetition.changed_anything()
            self.undoing.attribute(target.attrs, name)
            target.attrs[name] = value
        elif isinstance(target, BoundMethod):
            self.setattr(target.func, name, value)

    def _set_on_tensor(self, target: Tensor, name: str, value: Any) -> None:
        self.repetition.changed(target.number)
        if name == "requires_grad":
            target.requires_grad = value is not False
        elif name == "data" and isinstance(value, Tensor):
            target.shape, target.dtype = value.shape, value.dtype
        else:
            target.attrs[name] = value

    def plain_setattr(self, target: Any, name: str, value: Any) -> None:
        """`object.__setattr__` and what `nn.Module.__setattr__` adds."""
        if not isinstance(target, Instance):
            return
        found = target.cls.lookup(name)
        if type(found) is PropertyValue and not found.cached:
            if found.fset is None:
                raise self.error("AttributeError", f"can't set attribute {name!r}")
            self.call(found.fset, [target, value], {})
            return
        if isinstance(target, ModuleInstance):
            self.set_member(target, name, value)
        else:
            self.repetition.changed_object(target.number)
            if self.undoing.of_library(target.number):
                self.undoing.attribute(target.attrs, name)
            target.attrs[name] = value

    def set_member(self, target: ModuleInstance, name: Any, value: Any) -> None:
        """Assign a submodule, parameter, buffer or plain attribute of a module."""
        self.repetition.changed(target.number)
        if isinstance(name, Unknown):
            if isinstance(value, ModuleInstance) or (isinstance(value, Tensor) and value.is_parameter):
                target.modules[UNNAMED] = Unknown("the name of a layer")
        elif isinstance(value, ModuleInstance):
            self._replace(target, name, value)
            if self.uncertain and value.number > self.branched:
                value.doubt = max(value.doubt, self._doubt(target))
            target.attrs.pop(name, None)
            target.params.pop(name, None)
            target.modules[name] = value
        elif isinstance(value, Tensor) and value.is_parameter:
            target.attrs.pop(name, None)
            self._replace(target, name, value)
            target.modules.pop(name, None)
            target.params[name] = value
            if self.uncertain:
                value.attrs["doubt"] = self._doubt(target)
        elif name in target.modules and (value is None or isinstance(value, Unknown)):
            if not self.uncertain:
                target.modules[name] = value
        elif name in target.params and value is None:
            target.params[name] = None
        elif isinstance(value, Tensor) and (name in target.buffers or "buffer" in value.attrs):
            target.buffers[name] = value
        else:
            target.attrs[name] = value

    def _doubt(self, target: ModuleInstance) -> int:
        """Of what becomes part of a module here; an undecided branch begun since then counts anew."""
        return max(self.uncertain, target.doubt + (target.number < self.branched))

    def _replace(self, target: ModuleInstance, name: str, value: Any) -> None:
        """Keep what an undecided branch or expression would have put in the same place."""
        if isinstance(value, ModuleInstance) and value.others:
            target.alternatives.setdefault(name, []).extend(value.others)
            value.others = []
        old = target.modules.get(name)
        if self.uncertain and isinstance(old, ModuleInstance) and old is not value:
            target.alternatives.setdefault(name, []).append(old)
            old.doubt = max(old.doubt, self.uncertain)

    def delattr(self, target: Any, name: str) -> None:
        """`del target.name`."""
        if isinstance(target, ModuleInstance):
            self.repetition.changed(target.number)
            for table in (target.modules, target.params, target.buffers, target.attrs):
                if name in table:
                    del table[name]
                    return
        elif isinstance(target, Instance):
            self.repetition.changed_object(target.number)
            if self.undoing.of_library(target.number):
                self.undoing.attribute(target.attrs, name)
            target.attrs.pop(name, None)
        elif isinstance(target, ClassValue) and name in target.ns:
            self.undoing.attribute(target.ns, name)
            del target.ns[name]
            self.repetition.changed_anything()
            target.set("__deleted__", name)

    def call_host_method(self, target: HostMethod, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a method of a Python value within limits."""
        self.tick()
        if target.name in _CHANGING:
            self._note_host_change(target, args)
        return call_host(self, target, args, kwargs)

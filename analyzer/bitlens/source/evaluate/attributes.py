"""Reading attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.callable_attributes import CallableAttributes
from bitlens.source.evaluate.callables import (
    BoundMethod,
    ClassMethod,
    Function,
    HostMethod,
    Native,
    Partial,
    PropertyValue,
    StaticMethod,
    Super,
)
from bitlens.source.evaluate.host_methods import extends, host_type_name
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.tensor_methods import tensor_attribute
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    ClassValue,
    Control,
    DType,
    Instance,
    Lazy,
    ModuleInstance,
    Tensor,
    Unknown,
    Varying,
)

_OF_OBJECT = frozenset(
    ("__init__", "__setattr__", "__post_init__", "__init_subclass__", "__delattr__", "__getattribute__")
)
"""What every object has, so that its class's `__getattr__` is not asked for it."""

_BEFORE_METACLASS = frozenset(("__new__", "__init__", "__init_subclass__"))
"""What a class has from `object`, so that its metaclass is not asked for it."""


class Attributes(CallableAttributes):
    """Attribute access for every kind of value."""

    def getattr(self, target: Any, name: Any, default: Any = MISSING) -> Any:
        """`target.name`; with a default, as `getattr` with three arguments."""
        if not isinstance(name, str):
            name = self.host_value(name)
            if not isinstance(name, str):
                return UNKNOWN
        if default is MISSING:
            return self._getattr(target, name)
        self.tries += 1
        depth = self.depth
        try:
            return self._getattr(target, name)
        except Control:
            raise
        except Exception as error:
            if self.is_error(error, "AttributeError"):
                self.unwind(depth)
                return default
            raise
        finally:
            self.tries -= 1

    def hasattr(self, target: Any, name: Any) -> Any:
        """`hasattr`."""
        if isinstance(target, Unknown) or isinstance(name, Unknown):
            return UNKNOWN
        value = self.getattr(target, name, default=Attributes)
        return UNKNOWN if value is UNKNOWN and isinstance(target, Namespace) else value is not Attributes

    def _getattr(self, target: Any, name: str) -> Any:
        handler = _GETTERS.get(type(target))
        if handler is not None:
            return handler(self, target, name)
        return self._host_attribute(target, name)

    def _instance(self, target: Instance, name: str) -> Any:
        cls = target.cls
        found = cls.lookup("__getattribute__")
        if found is not MISSING:
            return self.call(found, [target, name], {})
        return self.plain_attribute(target, name)

    def plain_attribute(self, target: Instance, name: str, hook: bool = True) -> Any:
        """`object.__getattribute__`, then (with `hook`) the class's `__getattr__`."""
        cls = target.cls
        found = cls.lookup(name)
        if type(found) is PropertyValue and (not found.cached or name not in target.attrs):
            return self._property(found, target, name)
        attrs = target.attrs
        if name in attrs:
            return attrs[name]
        if isinstance(target, ModuleInstance):
            own = self._module_member(target, name)
            if own is not MISSING:
                return own
        if found is not MISSING:
            return self.bound(found, target, cls)
        return self._fallback(target, name, hook)

    def _module_member(self, target: ModuleInstance, name: str) -> Any:
        for table in (target.params, target.buffers, target.modules):
            if name in table:
                return table[name]
        if name in ("_modules", "_parameters", "_buffers"):
            return {"_modules": target.modules, "_parameters": target.params, "_buffers": target.buffers}[
                name
            ]
        return True if name == "training" else MISSING

    def _property(self, found: PropertyValue, target: Any, name: str) -> Any:
        if found.fget is None:
            return UNKNOWN
        value = self.call(
            found.fget, [target.cls if found.by_class and isinstance(target, Instance) else target], {}
        )
        if found.cached and isinstance(target, Instance):
            target.attrs[name] = value
        return value

    def _fallback(self, target: Instance, name: str, hook: bool) -> Any:
        if name == "__class__":
            return target.cls
        if name in ("__traceback__", "__cause__", "__context__"):
            return None
        if name in ("__module__", "__doc__"):
            return self._class_special(target.cls, name)
        if name == "__dict__":
            return target.attrs
        if target.host is not None and hasattr(type(target.host), name):
            return HostMethod(target, name)
        custom = target.cls.lookup("__getattr__")
        if custom is not MISSING and hook and name not in _OF_OBJECT:
            return self.call(custom, [target, name], {})
        if target.host is not None and extends(type(target.host), name):
            return HostMethod(target, name)
        if "unknown" in target.cls.traits:
            return Unknown(f"attribute {name!r} of an unknown base class")
        if name in _OF_OBJECT:
            return Native(name, lambda args, kwargs: self._object_method(name, target, args))
        raise self.error("AttributeError", f"{target.cls.name!r} object has no attribute {name!r}")

    def _object_method(self, name: str, target: Any, args: list[Any]) -> Any:
        if name == "__setattr__" and len(args) == 2:
            return self.plain_setattr(target, args[0], args[1])
        if name == "__getattribute__" and args:
            return self.plain_attribute(target, args[0], hook=False)
        return None

    def bound(self, found: Any, target: Any, cls: ClassValue) -> Any:
        """An attribute of a class as it comes out when asked on `target` (None: on the class itself)."""
        kind = type(found)
        if kind is Function or (kind is Native and found.method):
            return BoundMethod(found, target) if target is not None else found
        if kind is ClassMethod:
            return BoundMethod(found.func, cls)
        if kind is StaticMethod:
            return found.func
        if kind is PropertyValue:
            if target is None:
                return self.call(found.fget, [cls], {}) if found.by_class else found
            return self._property(found, target, "")
        if kind is Lazy:
            return found.force()
        if isinstance(found, Instance) and found.cls.lookup("__get__") is not MISSING:
            return self.call_method(found, "__get__", [target, cls], {})
        return found

    def _class(self, target: ClassValue, name: str) -> Any:
        found = target.lookup(name)
        if found is not MISSING:
            return self.bound(found, None, target)
        if target.metaclass is not None and name not in _BEFORE_METACLASS:
            found = target.metaclass.lookup(name)
            if found is not MISSING:
                return self.bound(found, target, target.metaclass)
        special = self._class_special(target, name)
        if special is not MISSING:
            return special
        if target.host is not None:
            return self._host_attribute(target.host, name)
        if "unknown" in target.traits:
            return Unknown(f"attribute {name!r} of an unknown base class")
        raise self.error("AttributeError", f"type object {target.name!r} has no attribute {name!r}")

    def _class_special(self, target: ClassValue, name: str) -> Any:
        simple: dict[str, Any] = {
            "__name__": target.name,
            "__qualname__": target.qualname,
            "__dict__": target.ns,
            "__doc__": UNKNOWN,
            "__module__": target.module.name if target.module else self._provided_module(target),
            "__mro__": tuple(target.mro),
            "__bases__": tuple(target.bases),
            "__base__": target.bases[0] if target.bases else object,
            "__class__": target.metaclass or type,
        }
        if name in simple:
            return simple[name]
        if name == "__annotations__":
            return self.classes.annotations(target)
        if name == "__members__" and "enum" in target.traits:
            return {member.attrs["name"]: member for member in self.enum_members(target)}
        if name in ("__init__", "__setattr__", "__getattribute__", "__init_subclass__", "__post_init__"):
            if name == "__init_subclass__":
                return Native(name, lambda args, kwargs: None)
            return Native(
                name, lambda args, kwargs: self._object_method(name, args[0], args[1:]), method=True
            )
        if name == "mro":
            return Native("mro", lambda args, kwargs: list(target.mro))
        if name == "__new__":
            return Native("__new__", lambda args, kwargs: self.classes.new(args[0], args[1:]))
        if name == "__subclasses__":
            return Native(name, lambda args, kwargs: [])
        return MISSING

    def _provided_module(self, target: ClassValue) -> Any:
        return "builtins" if self.builtins.get(target.name) is target else UNKNOWN

    def _super(self, target: Super, name: str) -> Any:
        found = (
            target.start.lookup_after(target.owner, name) if isinstance(target.start, ClassValue) else MISSING
        )
        if found is not MISSING:
            if isinstance(target.target, ClassValue):
                if type(found) is ClassMethod:
                    return BoundMethod(found.func, target.target)
                return self.bound(found, None, target.target)
            return self.bound(found, target.target, target.start)
        if name == "__new__":
            return Native("__new__", lambda args, kwargs: self.classes.new(args[0], args[1:]))
        return self._super_default(target, name)

    def _super_default(self, target: Super, name: str) -> Any:
        value = target.target
        if isinstance(value, ModuleInstance) and name == "__getattr__":
            return Native(name, lambda args, kwargs: self._missing_member(value, args[0]))
        held = isinstance(value, Instance) and value.host is not None
        if held and name == "__init__":
            return Native(name, lambda args, kwargs: self.classes.fill_host(value, args, kwargs))
        if name in _OF_OBJECT:
            return Native(name, lambda args, kwargs: self._object_method(name, value, args))
        if held:
            return HostMethod(value.host, name)
        if isinstance(target.start, ClassValue) and "unknown" in target.start.traits:
            return UNKNOWN
        if name == "__call__" and isinstance(target.owner, ClassValue) and "meta" in target.owner.traits:
            return Native(
                name, lambda args, kwargs: self.classes.instantiate(value, args, kwargs, meta=False)
            )
        raise self.error("AttributeError", f"'super' object has no attribute {name!r}")

    def _missing_member(self, target: ModuleInstance, name: str) -> Any:
        own = self._module_member(target, name)
        if own is not MISSING:
            return own
        raise self.error("AttributeError", f"{target.cls.name!r} object has no attribute {name!r}")

    def _namespace(self, target: Namespace, name: str) -> Any:
        return self.imports.attribute(target, name)

    def _unknown(self, target: Unknown, name: str) -> Any:
        return UNKNOWN

    def _dtype(self, target: DType, name: str) -> Any:
        letter = "u" if target.name.startswith("uint") else target.kind[0]
        known: dict[str, Any] = {"itemsize": target.itemsize, "is_floating_point": target.kind == "float"}
        known.update(type=target, kind=letter)
        return known.get(name, UNKNOWN)

    def _host_attribute(self, target: Any, name: str) -> Any:
        if isinstance(target, type):
            if name == "__name__" or name == "__qualname__":
                return target.__name__
            if name == "__module__":
                return "builtins"
            if name in ("__mro__", "__bases__"):
                return (target, object)
            return HostMethod(target, name)
        if name == "__class__":
            return type(target)
        if hasattr(type(target), name):
            numeric = isinstance(target, int | float | complex | range | slice) and name in _HOST_FIELDS
            if numeric or isinstance(getattr(type(target), name), property):
                return getattr(target, name)
            return HostMethod(target, name)
        if name == "default_factory" and hasattr(target, "factory"):
            return target.factory
        raise self.error("AttributeError", f"{host_type_name(target)!r} object has no attribute {name!r}")

    builtins: dict[str, Any]
    classes: Any
    imports: Any
    plain_setattr: Callable[[Any, Any, Any], None]


_HOST_FIELDS = frozenset(("real", "imag", "numerator", "denominator", "start", "stop", "step"))


_GETTERS: dict[type, Callable[[Any, Any, str], Any]] = {
    Instance: Attributes._instance,
    ModuleInstance: Attributes._instance,
    ClassValue: Attributes._class,
    Super: Attributes._super,
    Function: Attributes._function,
    BoundMethod: Attributes._bound_method,
    Native: Attributes._native,
    Partial: Attributes._partial,
    Namespace: Attributes._namespace,
    Unknown: Attributes._unknown,
    Varying: Attributes._unknown,
    DType: Attributes._dtype,
    Tensor: tensor_attribute,
    ClassMethod: Attributes._wrapper,
    StaticMethod: Attributes._wrapper,
    PropertyValue: Attributes._property_object,
}


def _symbolic_getter() -> None:
    from bitlens.source.evaluate.symbolic import Symbolic

    _GETTERS[Symbolic] = Attributes._unknown


_symbolic_getter()

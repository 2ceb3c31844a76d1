"""Reading, writing and deleting attributes, and type tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitlens.source.evaluate.host_methods import call_host, host_type_name
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.operators import Operators
from bitlens.source.evaluate.tensor_methods import tensor_attribute
from bitlens.source.evaluate.values import (
    MISSING,
    UNKNOWN,
    BoundMethod,
    ClassMethod,
    ClassValue,
    Control,
    DType,
    Function,
    HostMethod,
    Instance,
    Iter,
    Lazy,
    ModuleInstance,
    Native,
    Partial,
    PropertyValue,
    StaticMethod,
    Super,
    Tensor,
    Unknown,
    Varying,
)


class Attributes(Operators):
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

    def plain_attribute(self, target: Instance, name: str) -> Any:
        """`object.__getattribute__`, then the class's `__getattr__`."""
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
        return self._fallback(target, name)

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

    def _fallback(self, target: Instance, name: str) -> Any:
        if name == "__class__":
            return target.cls
        if name == "__dict__":
            return target.attrs
        if target.host is not None and hasattr(type(target.host), name) and name != "__doc__":
            return HostMethod(target, name)
        custom = target.cls.lookup("__getattr__")
        if custom is not MISSING:
            return self.call(custom, [target, name], {})
        if target.host is not None:
            return HostMethod(target, name) if name != "__doc__" else None
        if "unknown" in target.cls.traits:
            return Unknown(f"attribute {name!r} of an unknown base class")
        if name in (
            "__init__",
            "__setattr__",
            "__post_init__",
            "__init_subclass__",
            "__delattr__",
            "__getattribute__",
        ):
            return Native(name, lambda args, kwargs: self._object_method(name, target, args))
        if name in ("__module__", "__doc__"):
            return target.cls.module.name if name == "__module__" and target.cls.module else None
        raise self.error("AttributeError", f"{target.cls.name!r} object has no attribute {name!r}")

    def _object_method(self, name: str, target: Any, args: list[Any]) -> Any:
        if name == "__setattr__" and len(args) == 2:
            return self.plain_setattr(target, args[0], args[1])
        if name == "__getattribute__" and args:
            return self.plain_attribute(target, args[0])
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
        if target.metaclass is not None:
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
            "__doc__": None,
            "__module__": target.module.name if target.module else "builtins",
            "__mro__": tuple(target.mro),
            "__bases__": tuple(target.bases),
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
        if isinstance(value, Instance) and value.host is not None:
            if name == "__init__":
                return Native(name, lambda args, kwargs: self.classes.fill_host(value, args, kwargs))
            return HostMethod(value.host, name)
        if name in (
            "__init__",
            "__setattr__",
            "__getattribute__",
            "__post_init__",
            "__init_subclass__",
            "__delattr__",
        ):
            return Native(name, lambda args, kwargs: self._object_method(name, value, args))
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

    def _function(self, target: Function, name: str) -> Any:
        if name in target.attrs:
            return target.attrs[name]
        simple: dict[str, Callable[[], Any]] = {
            "__name__": lambda: target.name,
            "__qualname__": lambda: target.qualname,
            "__module__": lambda: target.module.name,
            "__doc__": lambda: None,
            "__dict__": lambda: target.attrs,
            "__defaults__": lambda: tuple(target.defaults),
            "__kwdefaults__": lambda: target.kw_defaults,
            "__globals__": lambda: target.module.vars,
            "__annotations__": dict,
            "__call__": lambda: target,
            "__get__": lambda: Native("__get__", lambda args, kwargs: BoundMethod(target, args[0])),
            "__code__": lambda: target,
            "__closure__": lambda: None,
            "__wrapped__": lambda: MISSING,
        }
        value = simple[name]() if name in simple else MISSING
        if value is MISSING:
            raise self.error("AttributeError", f"function has no attribute {name!r}")
        return value

    def _bound_method(self, target: BoundMethod, name: str) -> Any:
        if name == "__self__":
            return target.self_value
        if name == "__func__":
            return target.func
        return self.getattr(target.func, name)

    def _native(self, target: Native, name: str) -> Any:
        if name in target.attrs:
            return target.attrs[name]
        if name in ("__name__", "__qualname__"):
            return target.name
        return UNKNOWN

    def _partial(self, target: Partial, name: str) -> Any:
        known = {"func": target.func, "args": tuple(target.args), "keywords": target.keywords, **target.attrs}
        if name in known:
            return known[name]
        raise self.error("AttributeError", f"partial has no attribute {name!r}")

    def _namespace(self, target: Namespace, name: str) -> Any:
        return self.imports.attribute(target, name)

    def _unknown(self, target: Unknown, name: str) -> Any:
        return UNKNOWN

    def _dtype(self, target: DType, name: str) -> Any:
        known = {"itemsize": target.itemsize, "is_floating_point": target.kind == "float"}
        return known.get(name, UNKNOWN)

    def _wrapper(self, target: Any, name: str) -> Any:
        if name == "__func__":
            return target.func
        return self.getattr(target.func, name)

    def _property_object(self, target: PropertyValue, name: str) -> Any:
        if name in ("fget", "fset"):
            return getattr(target, name)
        if name in ("setter", "getter", "deleter"):
            return Native(name, lambda args, kwargs: self._with_accessor(target, name, args[0]))
        return UNKNOWN

    def _with_accessor(self, target: PropertyValue, name: str, function: Any) -> PropertyValue:
        result = PropertyValue(target.fget, target.fset, target.cached)
        if name != "deleter":
            setattr(result, {"setter": "fset", "getter": "fget"}[name], function)
        return result

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
            if isinstance(target, int | float | complex | range | slice) and name in _HOST_FIELDS:
                return getattr(target, name)
            return HostMethod(target, name)
        if name == "default_factory" and hasattr(target, "factory"):
            return target.factory
        raise self.error("AttributeError", f"{host_type_name(target)!r} object has no attribute {name!r}")

    def call_host_method(self, target: HostMethod, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a method of a Python value within limits."""
        self.tick()
        if target.name in _CHANGING:
            self._note_host_change(target, args)
        return call_host(self, target, args, kwargs)

    def _note_host_change(self, target: HostMethod, args: list[Any]) -> None:
        value = args[0] if isinstance(target.target, type) and args else target.target
        if isinstance(value, Instance):
            self.repetition.changed_object(value.number)
        elif isinstance(value, list | dict | set):
            self.repetition.changed_host(value)

    def setattr(self, target: Any, name: str, value: Any) -> None:
        """`target.name = value`."""
        if isinstance(target, Instance):
            custom = target.cls.lookup("__setattr__")
            if custom is not MISSING:
                self.call(custom, [target, name, value], {})
            else:
                self.plain_setattr(target, name, value)
        elif isinstance(target, ClassValue):
            self.repetition.changed_anything()
            target.set(name, value)
        elif isinstance(target, Namespace):
            self.repetition.changed_anything()
            target.vars[name] = value
        elif isinstance(target, Tensor):
            self._set_on_tensor(target, name, value)
        elif isinstance(target, Function | Native | Partial):
            self.repetition.changed_anything()
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
            target.attrs[name] = value

    def set_member(self, target: ModuleInstance, name: str, value: Any) -> None:
        """Assign a submodule, parameter, buffer or plain attribute of a module."""
        self.repetition.changed(target.number)
        if isinstance(value, ModuleInstance):
            self._replace(target, name, value)
            target.attrs.pop(name, None)
            target.params.pop(name, None)
            target.modules[name] = value
        elif isinstance(value, Tensor) and value.is_parameter:
            target.attrs.pop(name, None)
            self._replace(target, name, value)
            target.modules.pop(name, None)
            target.params[name] = value
            if self.uncertain:
                value.attrs["uncertain"] = True
        elif name in target.modules and (value is None or isinstance(value, Unknown)):
            if not self.uncertain:
                target.modules[name] = value
        elif name in target.params and value is None:
            target.params[name] = None
        elif isinstance(value, Tensor) and (name in target.buffers or "buffer" in value.attrs):
            target.buffers[name] = value
        else:
            target.attrs[name] = value

    def _replace(self, target: ModuleInstance, name: str, value: Any) -> None:
        """Keep what an undecided branch or expression would have put in the same place."""
        if isinstance(value, ModuleInstance) and value.others:
            target.alternatives.setdefault(name, []).extend(value.others)
            value.others = []
        old = target.modules.get(name)
        if self.uncertain and isinstance(old, ModuleInstance) and old is not value:
            target.alternatives.setdefault(name, []).append(old)
            old.certain = False

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
            target.attrs.pop(name, None)
        elif isinstance(target, ClassValue) and name in target.ns:
            del target.ns[name]
            self.repetition.changed_anything()
            target.set("__deleted__", name)

    def isinstance(self, value: Any, kind: Any) -> Any:
        """`isinstance`, UNKNOWN where it cannot be said."""
        if isinstance(kind, tuple):
            results = [self.isinstance(value, option) for option in kind]
            return (
                True
                if any(result is True for result in results)
                else (UNKNOWN if UNKNOWN in results else False)
            )
        if isinstance(value, Unknown) or isinstance(kind, Unknown):
            known = type(value) is Varying and isinstance(kind, type)
            return issubclass(value.kind, kind) if known else UNKNOWN
        if isinstance(kind, ClassValue):
            return self._is_of_class(value, kind)
        if isinstance(kind, type):
            return self._is_of_type(value, kind)
        return UNKNOWN

    def _is_of_class(self, value: Any, kind: ClassValue) -> Any:
        check = kind.traits & {"tensor", "parameter", "function", "protocol", "dtype", "partial"}
        if isinstance(value, Instance):
            if value.cls.derives(kind):
                return True
            checker = kind.metaclass.lookup("__instancecheck__") if kind.metaclass else MISSING
            if checker is not MISSING:
                return self.call(checker, [kind, value], {})
            return UNKNOWN if "unknown" in value.cls.traits else False
        if isinstance(value, Tensor):
            return "tensor" in check or ("parameter" in check and value.is_parameter)
        if isinstance(value, DType):
            return "dtype" in check
        if isinstance(value, Partial):
            return "partial" in check or ("protocol" in check and kind.name == "Callable")
        if "protocol" in check:
            return _protocol(kind.name, value)
        if isinstance(value, ClassValue):
            return value.metaclass is not None and value.metaclass.derives(kind)
        return "function" in check and isinstance(value, Function)

    def _is_of_type(self, value: Any, kind: type) -> Any:
        if isinstance(value, ClassValue):
            return kind in (type, object)
        if isinstance(value, Instance):
            return kind is object or (
                value.host is not None and isinstance(value.host, kind) and value.cls.derives(kind)
            )
        if isinstance(value, Tensor | DType | Function | Native | BoundMethod | Partial | Namespace | Iter):
            return kind is object
        return isinstance(value, kind)

    def issubclass(self, value: Any, kind: Any) -> Any:
        """`issubclass`."""
        if isinstance(kind, tuple):
            return any(self.issubclass(value, option) is True for option in kind)
        if isinstance(value, Unknown) or isinstance(kind, Unknown):
            return UNKNOWN
        if isinstance(value, ClassValue):
            return kind is object or value.derives(kind)
        if isinstance(value, type) and isinstance(kind, type):
            return issubclass(value, kind)
        return False

    classes: Any
    imports: Any


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


_HOST_FIELDS = frozenset(("real", "imag", "numerator", "denominator", "start", "stop", "step"))


def _protocol(name: str, value: Any) -> bool:
    """Whether a Python value is what an abstract class of `collections.abc` stands for."""
    kinds: dict[str, tuple[type, ...]] = {
        "Iterable": (list, tuple, dict, set, str, range, frozenset, Iter),
        "Sequence": (list, tuple, str, range),
        "Mapping": (dict,),
        "MutableMapping": (dict,),
        "MutableSequence": (list,),
        "Collection": (list, tuple, dict, set, str, range),
        "Sized": (list, tuple, dict, set, str, range),
        "Container": (list, tuple, dict, set, str, range),
        "Set": (set, frozenset),
        "Hashable": (str, int, float, tuple, type(None)),
        "Callable": (Function, BoundMethod, Native, Partial, ClassValue, type, HostMethod),
        "Iterator": (Iter,),
        "Generator": (Iter,),
        "Number": (int, float, complex),
        "Real": (int, float),
        "Integral": (int,),
    }
    return isinstance(value, kinds.get(name, ()))


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
